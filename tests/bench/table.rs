//! Times and what is made of them.
//!
//! Medians, because one disturbed run must not count; minima, because on a busy machine they are
//! nearest to what the work itself takes; ratios of medians, because only they travel.

/// One contender's times, in seconds.
pub struct Row {
    name: String,
    seconds: Vec<f64>,
    /// What else is known of it: the further columns of its table.
    notes: Vec<String>,
}

impl Row {
    /// A contender without times.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), seconds: Vec::new(), notes: Vec::new() }
    }

    /// Adds a time, in seconds.
    pub fn push(&mut self, seconds: f64) {
        self.seconds.push(seconds);
    }

    /// Adds a column.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

/// Prints the rows with ratios to the first; `notes` are the titles of the further columns.
pub fn print(title: &str, notes: &[&str], rows: &[Row]) {
    println!("{title}");
    print!("  {:25}{:>9}{:>9}{:>7}", "milliseconds", "median", "min", "ratio");
    notes.iter().for_each(|title| print!("  {title}"));
    println!();
    let base = median(&rows[0].seconds);
    for row in rows {
        let middle = median(&row.seconds);
        let least = row.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let ratio = middle / base;
        print!("  {:25}{:>9}{:>9}{ratio:>7.2}", row.name, millis(middle), millis(least));
        for (title, note) in notes.iter().zip(&row.notes) {
            print!("  {note:>width$}", width = title.len());
        }
        println!();
    }
}

/// Milliseconds, to a tenth.
pub fn millis(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e3)
}

/// The middle of the times; the upper one of two.
pub fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
