//! Opens dm-crypt volumes on Azure Linux VMs.

pub mod azure;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod detach;
pub mod device;
pub mod edge;
pub mod error;
pub mod generator;
pub mod hint;
pub mod key;
pub mod mapping;
pub mod message_id;
pub mod report;
pub mod secret;
pub mod slot;
pub mod unlock;
pub mod volume;
