//! The images that the next boot may start, beside what they would hold if they were made now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::check::image::{self, Image, Wanted, is_compared, plain};
use crate::check::{Finding, Topic};
use crate::cli::adopt::TOOLS;
use crate::config::keyscript::{self, Listed};
use crate::config::{Configuration, Entry, Origin};
use crate::edge::header::SystemHeaders;
use crate::edge::host::System;
use crate::edge::initrd;
use crate::error::Kind;
use crate::header::{Headers as _, stand_ins};
use crate::initramfs::{self, Host as _, Plan, Tool, Warning};
use crate::volume::{HeaderSpec, VolumeName};

/// The images of this many kernels are looked at, and that of the running one: the newest is what a
/// boot loader starts, the running one what somebody chooses when that fails.
const NEWEST: usize = 1;

/// What an image made now would open.
pub struct Opened {
    tool: Option<Tool>,
    plan: Plan,
    /// The lines of crypttab whose keys our keyscript gives.
    keyscripts: Vec<Listed>,
}

impl Opened {
    /// By the images of the system below `root`.
    pub fn new(root: &Path, configuration: &Configuration) -> Self {
        let tool = TOOLS.iter().find(|(path, _)| root.join(path).exists()).map(|(_, tool)| *tool);
        let system = System::new(root, None);
        let keyscripts = keyscript::listed(system.crypttab().as_bytes());
        let maker = tool.unwrap_or(Tool::Dracut);
        let plan = initramfs::plan(configuration, &keyscripts, &system, maker);
        Self { tool, plan, keyscripts }
    }

    /// Whether an image opens the volume itself.
    pub fn contains(&self, name: &VolumeName) -> bool {
        self.plan.volumes.contains(name)
    }

    /// What is wrong with lines of crypttab whose keys our keyscript is to give, by their names.
    pub fn broken(&self) -> Vec<(String, Kind)> {
        let problem = |listed: &Listed| Some((listed.name.clone(), listed.volume.clone().err()?));
        self.keyscripts.iter().filter_map(problem).collect()
    }

    /// The volumes whose keys our keyscript gives, as far as their lines parse, and those lines in
    /// `crypttab`.
    pub fn keyscripts(&self, crypttab: &str) -> Vec<Entry> {
        let line = |name: &str| {
            let first = |line: &str| line.split_ascii_whitespace().next() == Some(name);
            crypttab.lines().position(first).map_or(0, |index| index + 1)
        };
        let entry = |listed: &Listed| {
            let mut volume = listed.volume.clone().ok()?;
            volume.options.initrd = true;
            let (origin, line) = (Origin::Crypttab, line(&listed.name));
            Some(Entry { volume, origin, file: origin.path().to_owned(), line })
        };
        self.keyscripts.iter().filter_map(entry).collect()
    }
}

/// The findings about the image at `named`, or about those in /boot; none where no volume of
/// `names` (all when empty) is opened by an image.
pub fn findings(
    root: &Path,
    configuration: &Configuration,
    opened: &Opened,
    names: &[VolumeName],
    named: Option<&Path>,
) -> Vec<Finding> {
    let Opened { tool, plan, keyscripts } = opened;
    let is_asked_for = |name: &str| names.is_empty() || names.iter().any(|n| n.as_str() == name);
    let mut opened = plan
        .volumes
        .iter()
        .map(VolumeName::as_str)
        .chain(keyscripts.iter().map(|line| line.name.as_str()));
    if !opened.any(is_asked_for) {
        // Of a volume of the root that no image opens, for one.
        let is_about = |warning: &&Warning| {
            let about = warning.text.split_once(": ").map(|(name, _)| name);
            about.is_some_and(|name| is_known(configuration, name) && is_asked_for(name))
        };
        return plan.warnings.iter().filter(is_about).map(warned).collect();
    }
    let images = named.map_or_else(|| in_boot(root), |path| vec![path.to_owned()]);
    if images.is_empty() {
        let text = "there is no image for an installed kernel in /boot";
        let advice = match tool {
            Some(tool) => format!("build one: {}; or name it: --initrd IMAGE", tool.rebuild()),
            None => "install dracut or initramfs-tools; or name it: --initrd IMAGE".to_owned(),
        };
        return vec![Finding::bad(Topic::Image, text, advice)];
    }
    let mut found: Vec<Finding> =
        images.iter().flat_map(|path| of_image(root, path, configuration, keyscripts)).collect();
    if let (None, Some(release)) = (named, initrd::without(root)) {
        let text = format!("the newest kernel, {release}, has no image in /boot");
        let advice = match tool {
            Some(Tool::Dracut) => format!("build one: dracut --kver {release}; see: df /boot"),
            _ => format!("build one: update-initramfs -c -k {release}; see: df /boot"),
        };
        found.insert(0, Finding::bad(Topic::Image, text, advice));
    }
    found
}

fn is_known(configuration: &Configuration, name: &str) -> bool {
    configuration.entries.iter().any(|entry| entry.volume.name.as_str() == name)
}

/// The images of the newest kernel and of the one that runs.
fn in_boot(root: &Path) -> Vec<PathBuf> {
    let running = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    let images = initrd::installed(root).into_iter().enumerate();
    let chosen = |(index, (release, path)): (usize, (String, PathBuf))| {
        (index < NEWEST || release == running.trim()).then_some(path)
    };
    images.filter_map(chosen).collect()
}

fn of_image(
    root: &Path,
    path: &Path,
    configuration: &Configuration,
    keyscripts: &[Listed],
) -> Vec<Finding> {
    let shown = path.display().to_string();
    let bad = |text: String, advice: &str| vec![Finding::bad(Topic::Image, text, advice)];
    // What is in the plan for one kernel's image is in that for another's: only modules differ.
    let system = System::new(root, None);
    let files = initramfs::plan(configuration, keyscripts, &system, Tool::Dracut).files;
    // Below links to directories an image may have them where these lead.
    let real = |file: &PathBuf| {
        let file = fs::canonicalize(root.join(file.strip_prefix("/").unwrap_or(file))).ok()?;
        file.strip_prefix(root).ok().map(plain)
    };
    let files: BTreeSet<PathBuf> =
        files.iter().flat_map(|file| [Some(plain(file)), real(file)]).flatten().collect();
    let wants = |path: &Path| is_compared(path) || files.contains(path);
    let image = match initrd::read(root, path, &wants) {
        Ok(image) => image,
        Err(error) => {
            let advice = "build it anew, or name another one: --initrd IMAGE";
            return bad(format!("{shown} cannot be read: {error}"), advice);
        }
    };
    let Some(tool) = image.tool() else {
        let advice = "name one that dracut or initramfs-tools has made: --initrd IMAGE";
        return bad(format!("{shown} is of neither dracut nor initramfs-tools"), advice);
    };
    // cryptsetup-initramfs chooses the lines of crypttab that an image gets.
    let chosen =
        image.files.get(Path::new("cryptroot/crypttab")).map(|text| keyscript::listed(text));
    let keyscripts = match tool {
        Tool::InitramfsTools => {
            chosen.filter(|lines| !lines.is_empty()).unwrap_or(keyscripts.to_vec())
        }
        Tool::Dracut => Vec::new(),
    };
    let host = System::new(root, image.kernel.as_deref());
    let plan = initramfs::plan(configuration, &keyscripts, &host, tool);
    let wanted = Wanted {
        plan: &plan,
        host: &host,
        tool,
        program: &program(),
        headers: &headers(configuration, &plan, &image),
    };
    let mut found = image::findings(&image, &wanted);
    for finding in &mut found {
        finding.text = format!("{shown}: {}", finding.text);
    }
    found.extend(plan.warnings.iter().map(warned));
    found
}

/// A warning of the plan says what to do behind its last semicolon.
fn warned(warning: &Warning) -> Finding {
    let text = warning.text.as_str();
    let (text, advice) = text.rsplit_once("; ").unwrap_or((text, "see bek-unlock-initramfs(7)"));
    match warning.closed {
        true => Finding::bad(Topic::Image, text, advice),
        false => Finding::warning(Topic::Image, text, advice),
    }
}

/// Where this program is installed.
fn program() -> PathBuf {
    fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("/usr/bin/bek-unlock"))
}

/// The copies of detached headers that the image holds, and those headers as they are now.
fn headers(configuration: &Configuration, plan: &Plan, image: &Image) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut headers = SystemHeaders::new(false);
    for name in &plan.volumes {
        let entry = configuration.find(name).ok();
        let Some(spec) = entry.and_then(|entry| entry.volume.options.header.as_ref()) else {
            continue;
        };
        let mut places = stand_ins(spec);
        if let HeaderSpec::Path(path) = spec {
            places.push(path.clone());
        }
        // What the plan copies is compared as one of its files.
        places
            .retain(|place| image.files.contains_key(&plain(place)) && !plan.files.contains(place));
        if places.is_empty() {
            continue;
        }
        let Ok(Some(header)) = headers.read(spec, true) else { continue };
        let Ok(bytes) = fs::read(&header.copy) else { continue };
        found.extend(places.into_iter().map(|place| (place, bytes.clone())));
    }
    found
}
