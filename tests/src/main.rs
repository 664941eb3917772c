//! Everything that needs more than one crate or more than one process; one binary, linked once.
//! Tests.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod client_plumbing;
#[cfg(test)]
mod e2e;
#[cfg(test)]
mod glossary;
#[cfg(test)]
mod vectors;
