//! Tables on standard output: columns as wide as their widest entry, two blanks between them.

/// Columns of a console that every terminal has.
pub const WIDTH: usize = 79;

/// One line for each row; the last column is free. Cells are ASCII.
pub fn lines<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_lines_end_with_their_text() {
        let rows =
            [["NAME", "STATE"], ["a", "open"], ["longer", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(lines(&rows), ["NAME    STATE", "a       open", "longer"]);
    }
}
