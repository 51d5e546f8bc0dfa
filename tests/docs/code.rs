//! The blocks of code in the documents and the pages, and the commands in them.

/// A block of code.
#[derive(Debug)]
pub struct Block {
    /// The document, from the root of the repository.
    pub place: String,
    /// The name in the `<!-- recipe: NAME -->` above it: a test runs it by that.
    pub recipe: Option<String>,
    /// Its lines, without indent.
    pub lines: Vec<String>,
}

impl Block {
    /// The lines as the shell sees them: joined where a backslash or an operator ends one.
    pub fn joined(&self) -> Vec<String> {
        let mut joined: Vec<String> = Vec::new();
        let mut open = false;
        for line in &self.lines {
            let text = line.trim_end();
            match joined.last_mut() {
                Some(last) if open => last.push_str(&format!(" {}", text.trim_start())),
                _ => joined.push(text.to_owned()),
            }
            let last = joined.last_mut().unwrap();
            open = false;
            if let Some(rest) = last.strip_suffix('\\') {
                *last = rest.trim_end().to_owned();
                open = true;
            }
            open |= last.ends_with(" |") || quotes_are_open(last);
        }
        joined.retain(|line| !line.is_empty());
        joined
    }

    /// The lines of a table folded by an indent: a comma at a line's end goes on without a blank.
    pub fn unfolded(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in &self.lines {
            match (line.strip_prefix("    "), lines.last_mut()) {
                (Some(rest), Some(last)) if last.ends_with(',') => last.push_str(rest),
                (Some(rest), Some(last)) => last.push_str(&format!(" {rest}")),
                _ => lines.push(line.clone()),
            }
        }
        lines.retain(|line| !line.is_empty() && !line.starts_with('#'));
        lines
    }
}

fn quotes_are_open(line: &str) -> bool {
    let mut open = None;
    for c in line.chars() {
        match open {
            None if c == '\'' || c == '"' => open = Some(c),
            Some(quote) if quote == c => open = None,
            _ => {}
        }
    }
    open.is_some()
}

/// The blocks of a page as scdoc has them: between lines of three backticks.
pub fn of_page(place: &str, text: &str) -> Vec<Block> {
    let blocks = text.split("\n```\n").skip(1).step_by(2);
    blocks
        .map(|block| Block {
            place: place.to_owned(),
            recipe: None,
            lines: block.lines().map(|line| line.replace("\\\\", "\\")).collect(),
        })
        .collect()
}

/// The blocks of a Markdown file: four blanks more than what is around, below an empty line.
pub fn of_document(place: &str, text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    // Where the paragraph before is an item of a list, its text is indented, too.
    let (mut around, mut recipe, mut at) = (0, None, 0);
    while let Some(line) = lines.get(at) {
        let begins = at > 0 && lines[at - 1].is_empty() && indent(line) >= around + 4;
        if line.is_empty() || !begins {
            if let Some(name) = line.strip_prefix("<!-- recipe: ") {
                recipe = name.strip_suffix(" -->").map(str::to_owned);
            } else if !line.is_empty() {
                recipe = None;
                let marker = ["* ", "- ", "1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. "];
                let item = marker.iter().find(|marker| line.trim_start().starts_with(*marker));
                around = indent(line) + item.map_or(0, |marker| marker.len());
            }
            at += 1;
            continue;
        }
        let strip = around + 4;
        let mut block = Vec::new();
        while let Some(line) = lines.get(at) {
            if !line.is_empty() && indent(line) < strip {
                break;
            }
            block.push(line.get(strip..).unwrap_or_default().to_owned());
            at += 1;
        }
        while block.last().is_some_and(String::is_empty) {
            block.pop();
        }
        found.push(Block { place: place.to_owned(), recipe: recipe.take(), lines: block });
    }
    found
}

/// The simple commands in a line of shell, each as its words: of a list, a pipeline, a group, a
/// substitution. Assignments and redirections are left out.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut inner = Vec::new();
    let mut rest = line.chars().peekable();
    let mut quote = None;
    let end = |word: &mut Option<String>, found: &mut Vec<Vec<String>>| {
        if let Some(word) = word.take() {
            found.last_mut().unwrap().push(word);
        }
    };
    while let Some(c) = rest.next() {
        match (quote, c) {
            (_, '$') if quote != Some('\'') && rest.peek() == Some(&'(') => {
                let (mut depth, mut text) = (0, String::new());
                for c in rest.by_ref() {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    text.push(c);
                    if depth == 0 {
                        break;
                    }
                }
                inner.extend(commands(&text[1..text.len() - 1]));
                word.get_or_insert_default().push_str("SUBSTITUTED");
            }
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '(' | ')') => {
                end(&mut word, &mut found);
                found.push(Vec::new());
            }
            (None, '{' | '}') if word.is_none() && rest.peek().is_none_or(|c| *c == ' ') => {
                found.push(Vec::new());
            }
            (None, ' ') => end(&mut word, &mut found),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut found);
    let plain = found.into_iter().map(simple).chain(inner);
    plain.filter(|words| !words.is_empty()).collect()
}

/// Without what is before the program's name, and without redirections.
fn simple(words: Vec<String>) -> Vec<String> {
    let is_assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        })
    };
    let mut kept = Vec::new();
    let mut words = words.into_iter().skip_while(is_assignment).peekable();
    while let Some(word) = words.next() {
        match word.trim_start_matches(|c: char| c.is_ascii_digit()) {
            "<" | ">" | ">>" => drop(words.next()),
            redirected if redirected.starts_with(['<', '>']) => {}
            // The plain form of the same command.
            _ if kept.is_empty() && (word == "sudo" || word == "!") => {}
            _ => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> Vec<String> {
        commands(line).iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn a_line_falls_into_its_commands() {
        assert_eq!(
            plain("(umask 077; a b < c > d) && e | f 'g  h'"),
            ["umask 077", "a b", "e", "f g  h"]
        );
        assert_eq!(plain("X=1 a --b=2 \"$C\" # d"), ["a --b=2 $C"]);
        assert_eq!(plain("ID=$(az vm show -g G) e"), ["e", "az vm show -g G"]);
        assert_eq!(plain("{ printf 'A: '; cat token; } > header"), ["printf A: ", "cat token"]);
        assert_eq!(plain("find / ! -type d -exec head {} +"), ["find / ! -type d -exec head {} +"]);
        assert_eq!(plain("sudo make install"), ["make install"]);
        assert!(plain("DISK=/dev/sdc").is_empty());
    }

    #[test]
    fn blocks_of_both_kinds_are_found() {
        let page = of_page("p", "a\n\n```\nb \\\\\n    c\nd\n```\n\ne\n");
        assert_eq!(page[0].joined(), ["b c", "d"]);
        let text =
            "a\n\n<!-- recipe: x -->\n\n    b |\n        c\n\n    d\n\n1. e\n\n       f\n\n   g\n";
        let found = of_document("d", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            (found[0].joined(), found[0].recipe.as_deref()),
            (vec!["b | c".into(), "d".into()], Some("x"))
        );
        assert_eq!((found[1].joined(), found[1].recipe.as_deref()), (vec!["f".to_owned()], None));
    }
}
