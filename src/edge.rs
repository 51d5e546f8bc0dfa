//! The edges: the only modules that touch the kernel, the network or C.
//!
//! Each implements a trait that core declares, and maps what it meets to `error::Kind`.

pub mod probe;

#[cfg(test)]
mod image;
