//! A session: ratchet, transcript, and what was opened lately.
