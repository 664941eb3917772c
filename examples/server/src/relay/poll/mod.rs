//! The relay without a socket, for clients that cannot keep one: the frames of `docs/protocol/relay.md` in the bodies of
//! HTTP requests (§13 there).
//!
//! A session here is a connection like any other: it has a [`Link`](super::link::Link), takes over from an older
//! connection and is taken over from by a newer one, and what was not acknowledged on it comes again on the next. Only
//! its way to the client differs: `POST /v1/messages` brings frames of the client to its `session::Session`, `GET
//! /v1/inbox` takes what waits in its `outgoing` queue.
//!
//! `routes` reads requests, `session` does what they ask, `table` finds the session that a `token` is for, `frames` cuts
//! the queue's bytes into frames.

mod frames;
mod routes;
mod session;
mod sweep;
mod table;
mod token;

pub(crate) use routes::routes;
pub(crate) use table::Polls;
