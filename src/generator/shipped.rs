//! The units the package installs (systemd/ of the sources), as the generated files name them.

/// The target that groups all volumes.
pub const GROUP: &str = "bek-unlock.target";

/// The template whose instances open volumes.
pub const TEMPLATE: &str = "bek-unlock@.service";

/// Where the template and the group are installed; only a hint for people, see
/// [`Content::Link`](super::unit_file::Content::Link).
pub const UNITS: &str = "/usr/lib/systemd/system";
