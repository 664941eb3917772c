//! An allocator that looks for keys in everything that is freed.
//!
//! A key that was planted ([`Watch::armed`]) must be gone from a block before that is given back. Sixteen bytes of it in a row,
//! from a multiple of eight on, are enough to be seen. Blocks that grow are always moved, so that what the system's
//! allocator might leave behind at the old place is left behind each time. Stacks and registers are not looked at, but for
//! what is moved from there into a block; nor is what C libraries allocate.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

/// A power of two, and many times what is ever planted: most words are known to be none after one look.
const SLOTS: usize = 1 << 16;
/// Half of what is looked for, by open addressing; 0 is free.
static WORDS: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
/// The other half, at the same place.
static NEXT: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
static ARMED: AtomicBool = AtomicBool::new(false);
static FREED: AtomicUsize = AtomicUsize::new(0);
static LEFT: AtomicUsize = AtomicUsize::new(0);
/// One at a time: what is planted is planted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// Where `word` is, or the free place where it would be.
fn slot(word: u64) -> usize {
    // Fibonacci hashing: the upper bits depend on all of the word.
    let mut at =
        usize::try_from(word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).unwrap_or(0) % SLOTS;
    while !matches!(WORDS[at].load(SeqCst), planted if planted == 0 || planted == word) {
        at = (at + 1) % SLOTS;
    }
    at
}

/// What was seen while keys were planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Blocks that were freed.
    pub freed: usize,
    /// Places in them where a part of a key was.
    pub left: usize,
}

/// The allocator, to be made the `#[global_allocator]` of a test.
#[derive(Debug)]
pub struct Watch;

impl Watch {
    /// Runs `act` while everything that is freed is searched for `keys`. Parts that a block may hold by chance, because they
    /// repeat few bytes, are left out.
    ///
    /// # Panics
    /// If there are too many keys, or none that can be looked for.
    pub fn armed(keys: &[Vec<u8>], act: impl FnOnce()) -> Seen {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        WORDS.iter().for_each(|word| word.store(0, SeqCst));
        let mut planted = 0;
        for [word, next] in keys.iter().flat_map(|key| parts(key)) {
            let at = slot(word);
            WORDS[at].store(word, SeqCst);
            NEXT[at].store(next, SeqCst);
            planted += 1;
        }
        assert!((1..SLOTS / 4).contains(&planted), "{planted} parts");
        FREED.store(0, SeqCst);
        LEFT.store(0, SeqCst);
        ARMED.store(true, SeqCst);
        act();
        ARMED.store(false, SeqCst);
        Seen { freed: FREED.load(SeqCst), left: LEFT.load(SeqCst) }
    }

    /// Runs `act` without looking: for what fixtures free.
    pub fn disarmed<T>(act: impl FnOnce() -> T) -> T {
        let armed = ARMED.swap(false, SeqCst);
        let result = act();
        ARMED.store(armed, SeqCst);
        result
    }
}

/// The parts of a key that can be told from chance.
fn parts(key: &[u8]) -> impl Iterator<Item = [u64; 2]> {
    let (words, _) = key.as_chunks::<8>();
    let differ = |word: &[u8; 8]| word.iter().collect::<BTreeSet<_>>().len() > 4;
    let pairs = words.iter().zip(words.iter().skip(1)).map(|(word, next)| [*word, *next]);
    let telling = pairs.filter(move |pair| pair.iter().all(differ));
    telling.map(|pair| pair.map(u64::from_ne_bytes))
}

// SAFETY: hands every request on to the system's allocator as it came. Nothing in here allocates but the report of a find,
// which is made while nothing is looked for.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that every byte may be read when the block is freed.
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ARMED.load(SeqCst) {
            FREED.fetch_add(1, SeqCst);
            for at in 0..layout.size().saturating_sub(15) {
                // SAFETY: `at + 16 <= layout.size()`, and the block is the caller's until it is given back below.
                let [word, next] = unsafe { block.add(at).cast::<[u64; 2]>().read_unaligned() };
                let slot = slot(word);
                if word != 0 && WORDS[slot].load(SeqCst) == word && NEXT[slot].load(SeqCst) == next
                {
                    LEFT.fetch_add(1, SeqCst);
                    report(at, layout.size());
                }
            }
        }
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Who left it there, for whoever has to mend it.
fn report(at: usize, size: usize) {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        Watch::disarmed(|| {
            let backtrace = std::backtrace::Backtrace::force_capture();
            eprintln!("a part of a key at {at} of {size} bytes that are freed by\n{backtrace}");
        });
    }
}
