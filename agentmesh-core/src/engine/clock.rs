//! A clock that is put back. Whatever waits for a time that the clock has shown already would wait as long again as the clock
//! was ahead, which may be years; so it waits from now on.

use crate::time::Timestamp;

use super::Engine;

impl Engine {
    /// To be told what the clock shows before anything is done by it.
    pub(super) fn note_time(&mut self, now: Timestamp) {
        if now < self.latest {
            self.probes.put_back(now);
            self.parked.put_back(now);
            self.pauses.put_back(now);
            self.receipts.put_back(now, self.config.receipt_delay);
            self.in_flight.values_mut().for_each(|sent| *sent = now.min(*sent));
            self.put_handshakes_back(now);
        }
        self.latest = now;
    }
}
