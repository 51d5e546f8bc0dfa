//! The flags of `initramfs plan`.

use std::path::PathBuf;

use super::words::{Stop, Word, Words, once, text, unknown};
use super::{Action, words};
use crate::initramfs::Tool;

/// The names of its own flags.
pub const FLAGS: &[&str] = &["crypttab", "kernel", "root", "tool"];

/// Parses what is behind `initramfs`.
pub fn parse(words: &mut Words) -> Result<Action, Stop> {
    let mut found = Vec::new();
    let (mut crypttab, mut kernel, mut root, mut tool) = (None, None, None, None);
    let mut flags = Vec::new();
    while let Some(word) = words.next()? {
        let flag = match word {
            Word::Argument(word) => {
                found.push(text(word)?);
                continue;
            }
            Word::Flag(flag) => flag,
        };
        match flag.as_str() {
            "crypttab" => once(&mut crypttab, &flag, words.path(&flag)?)?,
            "kernel" => once(&mut kernel, &flag, words.text(&flag)?)?,
            "root" => once(&mut root, &flag, words.path(&flag)?)?,
            "tool" => once(&mut tool, &flag, tool_named(&words.text(&flag)?)?)?,
            _ => return Err(unknown(&flag, "initramfs")),
        }
        flags.push(flag);
    }
    let action = match found.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["plan"] => {
            return Ok(Action::InitramfsPlan {
                crypttab,
                kernel,
                root: root.unwrap_or_else(|| PathBuf::from("/")),
                tool: tool.unwrap_or(Tool::Dracut),
            });
        }
        ["names"] => Action::InitramfsNames,
        ["network"] => Action::InitramfsNetwork,
        _ => return Err("initramfs takes plan, names or network".into()),
    };
    match flags.first() {
        Some(flag) => Err(words::unknown(flag, &format!("initramfs {}", found.concat()))),
        None => Ok(action),
    }
}

fn tool_named(name: &str) -> Result<Tool, Stop> {
    let refused = || format!("--tool is dracut or initramfs-tools, not {name:?}").into();
    Tool::parse(name).ok_or_else(refused)
}
