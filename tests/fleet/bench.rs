//! `make fleet`: simulates the fleets, prints their tables, and writes them and the plot to docs/.
//!
//! `cargo test --test fleet` says whether what is there is what the simulation gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool of the developers: it fails loudly, and its output is the result"
)]

mod answers;
mod dice;
mod document;
mod limits;
mod plot;
mod scenes;
mod simulation;
mod table;
mod volume;

fn main() {
    let results = document::Results::new();
    for (_, table) in results.tables() {
        println!("{table}");
    }
    for (path, text) in results.files() {
        std::fs::write(&path, text).expect("docs/ can be written to");
        println!("{}", path.display());
    }
}
