//! What was given to find keys in: a file, standard input, the metadata of a LUKS2 header.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::edge::key_paste;
use crate::error::{FileProblem, Kind, printable};
use crate::header::Headers;
use crate::header::identity::{self, Problem};
use crate::key::material::Given;
use crate::recovery::refusal::Refusal;
use crate::recovery::{LIMIT, tokens};
use crate::secret::Secret;
use crate::unlock::Encrypted;
use crate::volume::HeaderSpec;

/// A file, or a pipe that has a name (`<(command)` of a shell).
#[derive(Clone, Debug)]
pub struct GivenFile(pub PathBuf);

/// Standard input, to its end.
#[derive(Clone, Copy, Debug)]
pub struct StandardInput;

/// The JSON of the LUKS2 header at the start of a device or file.
#[derive(Clone, Debug)]
pub struct HeaderMetadata {
    /// Where it can be read.
    pub path: PathBuf,
    /// What messages call it: a copy in memory has no name of its own.
    pub place: String,
}

impl HeaderMetadata {
    /// Of `device`, or of the header that is apart; a copy of that one stays readable as long as
    /// `headers` lives.
    ///
    /// Errors: `HeaderUnusable`, also where there is none: nobody attaches a disk while this waits.
    pub fn at(
        device: &Path,
        apart: Option<&HeaderSpec>,
        headers: &mut dyn Headers,
    ) -> Result<Self, Kind> {
        let Some(spec) = apart else {
            return Ok(Self { path: device.to_owned(), place: device.display().to_string() });
        };
        let place = spec.to_string();
        let missing = || Kind::HeaderUnusable {
            path: PathBuf::from(&place),
            reason: "no such file or device".to_owned(),
        };
        let path = headers.read(spec, true)?.ok_or_else(missing)?.copy;
        Ok(Self { path, place })
    }

    /// Of the device or the copy that an unlock has read.
    pub fn of(encrypted: &Encrypted) -> Self {
        Self { path: encrypted.header.clone(), place: encrypted.place.clone() }
    }

    /// What messages call it as a place of keys.
    pub fn shown(&self) -> String {
        format!("the header in {}", self.place)
    }

    /// Whether there is a token with a key in it, understood or not: without one the header is no
    /// key source, and there is nothing to report.
    pub fn has_token(&self) -> bool {
        let tokens = self.clone().read().map(|json| tokens::of_header(&json));
        match tokens {
            Ok(Ok(tokens)) => !tokens.is_empty(),
            // Nobody can tell. Libcryptsetup, which has read it before, will say so.
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

impl Given for GivenFile {
    fn read(&mut self) -> Result<Secret, Kind> {
        let place = || self.0.display().to_string();
        let unusable = |problem| Kind::KeyFileUnusable { place: place(), file: None, problem };
        let read = File::open(&self.0).and_then(|file| {
            let kind = file.metadata()?.file_type();
            match kind.is_file() || kind.is_fifo() {
                true => Secret::read_from(file, LIMIT),
                false => Err(io::Error::other("not a regular file")),
            }
        });
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unusable(FileProblem::Missing),
            io::ErrorKind::FileTooLarge => {
                Kind::MaterialRefused { what: place(), refusal: Refusal::TooLarge { limit: LIMIT } }
            }
            _ => unusable(FileProblem::Unreadable(printable(&error.to_string(), 80))),
        })
    }
}

impl Given for StandardInput {
    fn read(&mut self) -> Result<Secret, Kind> {
        key_paste::input_not_a_terminal()?;
        key_paste::read()
            .map_err(|refusal| Kind::MaterialRefused { what: "standard input".to_owned(), refusal })
    }
}

impl Given for HeaderMetadata {
    fn read(&mut self) -> Result<Secret, Kind> {
        let read = File::open(&self.path).map_err(Problem::from);
        read.and_then(|mut file| identity::metadata(&mut file)).map_err(|problem| match problem {
            // LUKS1 has no place for one.
            Problem::NotLuks => {
                Kind::MaterialRefused { what: self.shown(), refusal: Refusal::NoToken }
            }
            problem => Kind::HeaderUnusable {
                path: PathBuf::from(&self.place),
                reason: printable(&problem.to_string(), 120),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::image::Image;

    fn refusal(given: &mut dyn Given) -> (u8, String) {
        let kind = given.read().unwrap_err();
        (kind.exit_status(), kind.to_string())
    }

    #[test]
    fn a_file_is_read_whole_and_a_large_one_not_at_all() {
        let image = Image::noise(1024, 1);
        let read = GivenFile(image.path.clone()).read().unwrap();
        assert!(read.expose() == image.bytes());
        let (status, text) = refusal(&mut GivenFile("/nonexistent/answer.json".into()));
        assert_eq!((status, text.ends_with(" does not exist")), (4, true));
        let large = Image::empty(1025);
        let (status, text) = refusal(&mut GivenFile(large.path.clone()));
        assert_eq!((status, text.ends_with(" has more than 1024 KiB")), (76, true));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        for path in ["/", "/dev/null"] {
            let (status, text) = refusal(&mut GivenFile(path.into()));
            assert_eq!((status, text), (4, format!("{path}: not a regular file")));
        }
    }

    #[test]
    fn the_metadata_of_a_header_is_json_with_its_tokens() {
        let key = Image::noise(1, 1);
        let cheap = ["--pbkdf-force-iterations", "1000", "--key-file", key.path.to_str().unwrap()];
        let format = |kind: &str| {
            let pbkdf = if kind == "luks2" { &["--pbkdf", "pbkdf2"][..] } else { &[] };
            let words = [&["luksFormat", "-q", "--type", kind][..], pbkdf, &cheap].concat();
            Image::empty(20 * 1024).made_by("cryptsetup", &words)
        };
        let luks2 = format("luks2");
        let metadata = |image: &Image| HeaderMetadata {
            path: image.path.clone(),
            place: image.path.display().to_string(),
        };
        let json = metadata(&luks2).read().unwrap();
        let json: serde_json::Value = serde_json::from_slice(json.expose()).unwrap();
        assert!(json["tokens"].is_object() && json["keyslots"]["0"].is_object());
        let luks1 = format("luks1");
        let (status, text) = refusal(&mut metadata(&luks1));
        assert_eq!((status, text.contains("has no LUKS2 token")), (4, true), "{text}");
        let mut bytes = luks2.bytes();
        bytes[5000] ^= 1;
        bytes[(16 << 10) + 5000] ^= 1;
        std::fs::write(&luks2.path, bytes).unwrap();
        let (status, text) = refusal(&mut metadata(&luks2));
        assert_eq!((status, text.contains("damaged")), (4, true), "{text}");
    }
}
