//! Configuration files to [`Volume`](crate::volume::Volume)s.

pub mod diagnostic;
