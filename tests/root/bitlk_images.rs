//! cryptsetup's BitLocker images, made by Windows, and what their authors state of each in
//! images.conf: keys, GUIDs, and the SHA-256 of what is inside.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// An image of 100 MB, most of it holes.
#[derive(Clone)]
pub struct Image {
    pub name: String,
    fields: BTreeMap<String, String>,
}

impl Image {
    /// All of them, as in images.conf.
    pub fn all() -> Vec<Self> {
        let mut images: Vec<Self> = Vec::new();
        for line in fs::read_to_string(directory().join("images.conf")).unwrap().lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                images.push(Self { name: name.to_owned(), fields: BTreeMap::new() });
            } else if let Some((field, value)) = line.split_once('=') {
                let fields = &mut images.last_mut().unwrap().fields;
                fields.insert(field.to_owned(), value.to_owned());
            }
        }
        images
    }

    /// The one of this name.
    pub fn named(name: &str) -> Self {
        Self::all().into_iter().find(|image| image.name == name).expect(name)
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        directory().join(format!("{}.img", self.name))
    }

    /// What images.conf says, where it says something.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The .BEK file that goes with it.
    pub fn bek(&self) -> Option<Vec<u8>> {
        let name = format!("{}.BEK", self.field("SK_VMK_GUID")?.to_uppercase());
        Some(fs::read(directory().join(name)).unwrap())
    }
}

fn directory() -> PathBuf {
    let images = std::env::var_os("CRYPTSETUP_IMAGES").expect("run by tests/root/run");
    PathBuf::from(images).join("bitlk-images")
}
