//! Messages that came in parts: their payloads are on disk, and are read when it is their turn.

use crate::client::platform::time::Instant;

use super::Driver;
use crate::Error;

impl Driver {
    /// Hands on what came in parts, to whoever waits for it or in its turn to the application.
    pub(super) async fn hand_on_large(&mut self, now: Instant) -> Result<(), Error> {
        for (from, id) in core::mem::take(&mut self.large) {
            let expected = self.engine.large_header(&from, &id);
            if expected.is_some_and(|header| self.waiting.expects(&header)) {
                let whole = self.engine.whole(self.storage.as_ref(), &from, &id).await?;
                if whole.is_some_and(|message| self.waiting.response(&message)) {
                    self.jobs.handled(from, id);
                    continue;
                }
            }
            let asked_for = self.engine.large_header(&from, &id).is_some_and(|header| {
                header.headers.schema.is_some() || self.is_stream_answer(&header)
            });
            if asked_for
                && let Some(message) = self.engine.whole(self.storage.as_ref(), &from, &id).await?
                && (self.answer_by_itself(&message) || self.stream_message(&message))
            {
                continue;
            }
            self.delivery.push((from, id));
        }
        while let Some(key) = self.delivery.pump(&self.engine, now) {
            let whole = self.engine.whole(self.storage.as_ref(), &key.0, &key.1).await?;
            self.delivery.hand_on(key, whole, now);
        }
        Ok(())
    }
}
