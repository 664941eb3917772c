//! Room for many sockets.

/// Lets this process hold as many files, and so sockets, as the system allows it; what it starts with is often 1,024.
/// Programs call this once, first; the library never does by itself. Returns how many, or `None` where the system
/// does not say or refuses.
pub fn raise_file_limit() -> Option<u64> {
    let limit = rlimit::increase_nofile_limit(u64::MAX);
    match &limit {
        Ok(limit) => tracing::debug!(limit, "files that may be open"),
        Err(error) => tracing::warn!(%error, "the limit on open files stays as it is"),
    }
    limit.ok()
}
