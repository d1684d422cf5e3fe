//! What people and programs see: text and tables, or one JSON object a line. Colours only on a terminal.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde_json::Value;

/// Writes to standard output, for a person or for a program.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    json: bool,
    colours: bool,
}

/// How a word is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Heading,
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// Beside the point.
    Quiet,
}

/// One line. A reader that has gone (`| head`) has what it wanted; anything else must not pass for a whole answer.
fn write(line: impl Display) {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            panic!("cannot write to standard output: {error}")
        }
        Ok(()) | Err(_) => {}
    }
}

impl Terminal {
    /// For a program with `json`, else for a person.
    pub fn new(json: bool) -> Self {
        Self { json, colours: !json && std::io::stdout().is_terminal() }
    }

    /// Whether a program reads.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// A line for a person; nothing for a program.
    pub fn line(self, text: impl Display) {
        if !self.json {
            write(text);
        }
    }

    /// A line for a program; nothing for a person.
    pub fn object(self, value: &Value) {
        if self.json {
            write(value);
        }
    }

    /// A text as it is, for both.
    pub fn raw(self, text: &str) {
        write(text);
    }

    /// The text with its tone, where the terminal shows tones.
    pub fn toned(self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            Tone::Plain => return text.to_string(),
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// A heading with an empty line before it.
    pub fn heading(self, text: impl Display) {
        self.line(format_args!("\n{}", self.toned(Tone::Heading, text)));
    }

    /// A table for a person, its columns as wide as they must be; for a program one object a row, its keys the
    /// headings with `_` for spaces.
    pub fn table(self, columns: &[Column], rows: &[Vec<String>]) {
        if self.json {
            for row in rows {
                let named = columns.iter().zip(row);
                let named = named.map(|(column, cell)| (column.key(), column.value(cell)));
                self.object(&Value::Object(named.collect()));
            }
            return;
        }
        for line in aligned(columns, rows) {
            write(format_args!("  {line}"));
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    heading: &'static str,
    counts: bool,
}

impl Column {
    /// A column of texts.
    pub const fn text(heading: &'static str) -> Self {
        Self { heading, counts: false }
    }

    /// A column of numbers: to the right for a person, a number for a program.
    pub const fn count(heading: &'static str) -> Self {
        Self { heading, counts: true }
    }

    fn key(self) -> String {
        self.heading.replace([' ', '-'], "_")
    }

    fn value(self, cell: &str) -> Value {
        let number = cell.parse::<u64>().ok().filter(|_| self.counts);
        number.map_or_else(|| Value::String(cell.to_owned()), Value::from)
    }
}

fn aligned(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let width = |index: usize, column: &Column| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.fold(column.heading.chars().count(), usize::max)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(index, column)| width(index, column)).collect();
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    std::iter::once(&headings)
        .chain(rows)
        .map(|row| {
            let cells = row.iter().zip(&widths).zip(columns);
            let cells = cells.map(|((cell, width), column)| match column.counts {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() {
        let rows = [vec!["atlas-main".to_owned(), "7".to_owned()], vec!["x".to_owned(), "120".to_owned()]];
        let columns = [Column::text("connection"), Column::count("received")];
        let lines = aligned(&columns, &rows);
        assert_eq!(lines, ["connection  received", "atlas-main         7", "x                120"]);
    }

    #[test]
    fn a_program_gets_numbers_where_numbers_are_meant_and_texts_elsewhere() {
        assert_eq!(Column::count("not ours").value("7"), Value::from(7_u64));
        assert_eq!(Column::text("key").value("7"), Value::from("7"));
        assert_eq!(Column::count("not ours").key(), "not_ours");
    }

    #[test]
    fn without_a_terminal_nothing_is_coloured() {
        let terminal = Terminal { json: false, colours: false };
        assert_eq!(terminal.toned(Tone::Bad, "no"), "no");
        let terminal = Terminal { json: false, colours: true };
        assert_eq!(terminal.toned(Tone::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
