//! The native client: the only room with tasks, sockets and timers.
