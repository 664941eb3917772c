//! What belongs to the process that made it: after a fork its tasks and threads do not exist in the child, so there it is
//! neither used nor taken apart.

use crate::FacadeError;

/// This process; in WebAssembly nothing is ever forked off.
fn process() -> u32 {
    if cfg!(target_arch = "wasm32") { 0 } else { std::process::id() }
}

/// A value, and the process that made it.
#[derive(Debug)]
pub(crate) struct Owned<T: 'static> {
    process: u32,
    value: Option<T>,
}

impl<T: 'static> Owned<T> {
    /// Belongs to this process.
    pub(crate) fn new(value: T) -> Self {
        Self { process: process(), value: Some(value) }
    }

    /// The value, in the process that made it.
    pub(crate) fn get(&self) -> Result<&T, FacadeError> {
        match &self.value {
            Some(value) if self.process == process() => Ok(value),
            _ => Err(FacadeError::forked()),
        }
    }
}

impl<T: 'static> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process != process()
            && let Some(value) = self.value.take()
        {
            // Taking it apart would wait for threads that only the parent has.
            let _ = Box::leak(Box::new(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_gets_an_error_and_does_not_take_the_value_apart() {
        struct Counted(std::sync::Arc<()>);
        let count = std::sync::Arc::new(());
        let mut owned = Owned::new(Counted(std::sync::Arc::clone(&count)));
        assert!(owned.get().is_ok_and(|c| std::sync::Arc::strong_count(&c.0) == 2));
        owned.process = owned.process.wrapping_add(1);
        assert_eq!(owned.get().err().map(|e| e.code), Some("BINDING_FORKED"));
        drop(owned);
        assert_eq!(std::sync::Arc::strong_count(&count), 2);
    }
}
