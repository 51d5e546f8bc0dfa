//! `bek-unlock token`: the wrapped keys in a LUKS2 header, shown and changed.
//!
//! Nobody is asked: neither Azure nor a passphrase. What may be changed, and why not, is decided in
//! token/change.rs; how tokens look is in token/show.rs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::args::key::Input;
use super::args::token::{TokenArgs, Work};
use crate::config;
use crate::device::Devices;
use crate::edge::block::BlockDevices;
use crate::edge::given::{GivenFile, HeaderMetadata, StandardInput};
use crate::edge::header::SystemHeaders;
use crate::edge::luks::keyslots::ChangedHeader;
use crate::edge::{probe, process};
use crate::error::{Error, Goal, Kind, printable};
use crate::header::identity::{self, Problem};
use crate::key::material::Given;
use crate::keyslots::Keyslots;
use crate::mapping::Format;
use crate::recovery::refusal::Refusal;
use crate::recovery::tokens;
use crate::secret::Secret;
use crate::token::change::{Changed, Tokens};
use crate::volume::{DeviceSpec, HeaderSpec, KeySpec};

mod show;

/// What there is to say about it: lines, or with `json` one array or object.
pub fn run(root: &Path, args: &TokenArgs, json: bool) -> Result<String, Error> {
    let goal = if args.work == Work::Show { Goal::Show } else { Goal::Token };
    let fail = |kind: Kind| Error::new(goal, kind).device(Some(&args.device));
    // Paths of messages and of libcryptsetup are absolute.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let device = absolute(&args.device);
    let apart = args.header.as_ref().map(|spec| match spec {
        HeaderSpec::Path(path) => HeaderSpec::Path(absolute(path)),
        on => on.clone(),
    });
    let target = Target { device, apart };
    process::keep_secrets();
    match &args.work {
        Work::Show => target.show(json).map_err(fail),
        work => target.change(root, work, json).map_err(fail),
    }
}

/// Whose tokens it is about.
struct Target {
    device: PathBuf,
    apart: Option<HeaderSpec>,
}

impl Target {
    fn show(&self, json: bool) -> Result<String, Kind> {
        opened(&self.device, false)?;
        if probe::is_bitlocker(&self.device) {
            return Err(self.none_in(Format::Bitlk));
        }
        let mut headers = SystemHeaders::new(false);
        let metadata = HeaderMetadata::at(&self.device, self.apart.as_ref(), &mut headers)?;
        let mut header = opened(&metadata.path, false)?;
        let is_luks1 = identity::read(&mut header).map(|identity| identity.version == 1);
        match is_luks1.map_err(|problem| unusable(&metadata, &problem))? {
            true => Err(self.none_in(Format::Luks1)),
            false => {
                let text = metadata.clone().read()?;
                let what = metadata.shown();
                let tokens = tokens::of_header(&text)
                    .map_err(|refusal| Kind::MaterialRefused { what, refusal })?;
                Ok(show::all(&tokens, json))
            }
        }
    }

    fn change(&self, root: &Path, work: &Work, json: bool) -> Result<String, Kind> {
        self.must_be_ours()?;
        // Read first: what is no token costs no look at the header.
        let imported = match work {
            Work::Import { from, .. } => Some(given(from)?),
            _ => None,
        };
        let mut header = ChangedHeader::open(&self.device, self.apart.as_ref())?;
        let uuid = header.uuid().to_owned();
        let mut tokens = Tokens::new(&mut header, self.place())?;
        let (word, changed): (&str, Changed) = match (work, imported) {
            (Work::Assign { token, keyslot }, _) => ("assigned", tokens.assign(*token, *keyslot)?),
            (Work::Import { keyslot, .. }, Some((json, what))) => {
                ("imported", tokens.import(&json, &what, *keyslot)?)
            }
            (Work::Remove { token }, _) => ("removed", tokens.remove(*token)?),
            (Work::Import { .. } | Work::Show, _) => return self.show(json),
        };
        if word == "removed" && tokens.list()?.is_empty() {
            self.warn_of_last(root, &uuid);
        }
        Ok(show::changed(word, &self.device, &changed, json))
    }

    /// Refuses early, and in clear words, what the system would refuse later.
    ///
    /// Errors: `NotPermitted`, `VolumeMissing`.
    fn must_be_ours(&self) -> Result<(), Kind> {
        let header = match &self.apart {
            Some(HeaderSpec::On { .. }) => return process::harden(),
            Some(HeaderSpec::Path(path)) => path,
            None => &self.device,
        };
        // Devices are root's; an image file may be anybody's own.
        if fs::metadata(&self.device).is_ok_and(|found| !found.is_file()) {
            process::harden()?;
        }
        opened(&self.device, false)?;
        opened(header, true).map(|_| ())
    }

    fn place(&self) -> String {
        let own = || self.device.display().to_string();
        let place = self.apart.as_ref().map_or_else(own, ToString::to_string);
        format!("the header in {place}")
    }

    fn none_in(&self, format: Format) -> Kind {
        Kind::MaterialRefused { what: self.place(), refusal: Refusal::NoTokens { format } }
    }

    /// Says which configured volumes have only the key disk left now.
    fn warn_of_last(&self, root: &Path, uuid: &str) {
        let mut devices = BlockDevices::new();
        let named = fs::canonicalize(&self.device).unwrap_or_else(|_| self.device.clone());
        for entry in config::load(root).entries {
            let volume = entry.volume;
            let same = match &volume.device {
                DeviceSpec::Uuid(wanted) => wanted.eq_ignore_ascii_case(uuid),
                spec => devices
                    .find(spec)
                    .ok()
                    .flatten()
                    .is_some_and(|found| fs::canonicalize(&found).unwrap_or(found) == named),
            };
            if same && volume.key == KeySpec::Find && volume.options.vault.is_none() {
                let file = entry.file.display();
                log::warn!("{} in {file} has only the key disk left to get its key", volume.name);
            }
        }
    }
}

/// Errors: `NotPermitted`, `VolumeMissing`, `HeaderUnusable`.
fn opened(path: &Path, writable: bool) -> Result<File, Kind> {
    File::options().read(true).write(writable).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Kind::NotPermitted {
            action: if writable { "change the header" } else { "read the header" },
            reason: format!("{} is not yours", path.display()),
        },
        io::ErrorKind::NotFound => Kind::VolumeMissing {
            device: DeviceSpec::Path(path.to_owned()),
            waited: std::time::Duration::ZERO,
        },
        _ => Kind::HeaderUnusable {
            path: path.to_owned(),
            reason: printable(&error.to_string(), 120),
        },
    })
}

fn unusable(metadata: &HeaderMetadata, problem: &Problem) -> Kind {
    let reason = printable(&problem.to_string(), 120);
    Kind::HeaderUnusable { path: metadata.place.clone().into(), reason }
}

/// All of it, and what messages call it.
fn given(from: &Input) -> Result<(Secret, String), Kind> {
    match from {
        Input::File(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let what = path.display().to_string();
            Ok((GivenFile(path).read()?, what))
        }
        Input::Stdin => Ok((StandardInput.read()?, "standard input".to_owned())),
    }
}
