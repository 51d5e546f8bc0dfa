//! Whether the key of a volume can come over the network: what its bektab line says about it.

use super::{KeySpec, Volume};

/// How a key depends on Key Vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// No local source can do: a secret URL, or a file whose key is wrapped (`kek=`).
    Always,
    /// Local sources first, Key Vault when they fail (`vault=`, or `kek=` with a key to be found).
    /// Also a key to be found where the line says `_netdev`: a token in the header has its key
    /// unwrapped there, and no line shows whether there is one.
    Maybe,
    /// Nothing on the line leads to Key Vault.
    Never,
}

impl Volume {
    /// How its key depends on Key Vault.
    pub fn network(&self) -> Network {
        let options = &self.options;
        match &self.key {
            KeySpec::Secret(_) => Network::Always,
            KeySpec::KeyFile(_) | KeySpec::Path(_) if options.kek.is_some() => Network::Always,
            KeySpec::Find | KeySpec::KeyFile(_) | KeySpec::Path(_) => {
                let token = self.key == KeySpec::Find && options.netdev;
                if token || options.vault.is_some() || options.kek.is_some() {
                    Network::Maybe
                } else {
                    Network::Never
                }
            }
        }
    }
}
