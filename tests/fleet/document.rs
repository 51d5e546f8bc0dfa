//! What of docs/ the simulation writes: three tables in performance.md, and the plot.

use std::fs;
use std::path::{Path, PathBuf};

use super::scenes::{self, Scene};
use super::{plot, table};

/// Everything that is simulated.
pub struct Results {
    /// One fleet, every vault.
    pub vaults: Vec<Scene>,
    /// The first of these vaults, other fleets.
    pub sizes: Vec<Scene>,
    /// 64 volumes in each VM.
    pub many_volumes: Vec<Scene>,
}

impl Results {
    /// Boots all fleets.
    pub fn new() -> Self {
        Self {
            vaults: scenes::all(scenes::vaults()),
            sizes: scenes::all(scenes::sizes()),
            many_volumes: scenes::all(scenes::many_volumes()),
        }
    }

    /// The tables by the names they have in the document.
    pub fn tables(&self) -> [(&'static str, String); 3] {
        [
            ("vaults", table::vaults(&self.vaults)),
            ("sizes", table::sizes(self.by_size())),
            ("many-volumes", table::many_volumes(&self.many_volumes)),
        ]
    }

    /// The other fleets with the one they are compared with among them.
    fn by_size(&self) -> Vec<&Scene> {
        let mut scenes: Vec<&Scene> = self.vaults.iter().take(1).chain(&self.sizes).collect();
        scenes.sort_by_key(|scene| (scene.fleet.weight, scene.fleet.machines));
        scenes
    }

    /// Each file with what it ought to hold.
    pub fn files(&self) -> [(PathBuf, String); 2] {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let text = docs.join("performance.md");
        let mut document = fs::read_to_string(&text).expect("docs/performance.md");
        for (name, table) in self.tables() {
            document = replaced(&document, name, &table);
        }
        let [without, with, ..] = &self.vaults[..] else { panic!("no fleet to plot") };
        [(text, document), (docs.join("fleet.svg"), plot::svg(without, with))]
    }
}

/// `document` with what is between the marks of this table replaced.
fn replaced(document: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- fleet: {name} -->\n"), "<!-- fleet: end -->");
    let (before, rest) = document.split_once(&start).expect(name);
    let (_, after) = rest.split_once(end).expect(name);
    format!("{before}{start}\n{table}\n{end}{after}")
}
