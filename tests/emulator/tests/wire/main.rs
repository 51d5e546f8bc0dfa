//! The emulator as its clients see it: real sockets, a client of its own, nothing shared.
//!
//! One binary for all wire tests, because linking costs more than running them. `cfg(test)` on
//! the modules is for clippy: helpers in them may unwrap like tests do.

#[cfg(test)]
mod access;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod client;
#[cfg(test)]
mod control;
#[cfg(test)]
mod entra;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod imds;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod log;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tls;
