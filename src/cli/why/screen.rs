//! Output of blocks of lines: one below the other, or on a terminal each in place of the last.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

use crate::sink::payload::words::TextRow;

/// Width of the headings, in columns.
const HEADING_WIDTH: usize = 10;
/// Width of a terminal that does not report its own, in columns.
const DEFAULT_WIDTH: usize = 80;

/// Screen or stream that blocks are drawn on.
pub(crate) struct Screen<W> {
    writer: W,
    /// Wraps lines and overwrites the last block.
    terminal: bool,
    colour: bool,
    /// Lines of the last block.
    height: usize,
}

impl<W: Write> Screen<W> {
    /// Screen that writes to `writer`.
    pub(crate) fn new(writer: W, terminal: bool, colour: bool) -> Self {
        Self { writer, terminal, colour, height: 0 }
    }

    /// Draws a block.
    ///
    /// # Errors
    /// The block cannot be written.
    pub(crate) fn draw(&mut self, rows: &[TextRow]) -> io::Result<()> {
        let width = self.terminal.then(width);
        let mut text = String::new();
        // The cursor returns to the start of the last block, and everything below is cleared.
        if self.terminal && self.height > 0 {
            text += &format!("\x1b[{}A\r\x1b[J", self.height);
        }
        let mut height = 0;
        for row in rows {
            for (index, line) in wrapped(&row.text, width).into_iter().enumerate() {
                let heading = if index == 0 { row.heading } else { "" };
                let pad = HEADING_WIDTH.saturating_sub(columns(heading));
                let (before, after) = match (self.colour, row.stands_out) {
                    (true, true) => ("\x1b[1m", "\x1b[0m"),
                    _ => ("", ""),
                };
                let heading = match self.colour && !heading.is_empty() {
                    true => format!("\x1b[2m{heading}\x1b[0m"),
                    false => heading.to_owned(),
                };
                text += &format!("{heading}{:pad$}{before}{line}{after}\n", "");
                height += 1;
            }
        }
        if !self.terminal && rows.len() > 1 {
            text.push('\n');
        }
        self.height = height;
        // One write, so that a terminal never shows half a block.
        self.writer.write_all(text.as_bytes())?;
        self.writer.flush()
    }
}

/// Width of the terminal on standard output, in columns.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
}

/// Wraps `text` into lines that fit beside a heading; unchanged without a width.
fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![text.to_owned()] };
    // The last column stays free: some terminals move to the next line when it is written.
    let room = width.saturating_sub(HEADING_WIDTH + 1).max(10);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = columns(word);
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        // A word may be longer than a line.
        for c in word.chars().take_while(|c| {
            used += c.width().unwrap_or_default();
            used <= room
        }) {
            line.push(c);
        }
    }
    lines
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or_default()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<TextRow> {
        vec![TextRow::new("patch", "jazz 0.41, rock 0.38"), TextRow::reason("says rock")]
    }

    #[test]
    fn off_a_terminal_blocks_follow_each_other() {
        let mut screen = Screen::new(Vec::new(), false, false);
        screen.draw(&rows()).unwrap();
        screen.draw(&rows()[..1]).unwrap();
        let text = String::from_utf8(screen.writer).unwrap();
        assert_eq!(
            text,
            "patch     jazz 0.41, rock 0.38\n→         says rock\n\npatch     jazz 0.41, rock 0.38\n"
        );
    }

    #[test]
    fn on_a_terminal_a_block_takes_the_place_of_the_one_before() {
        let mut screen = Screen::new(Vec::new(), true, true);
        screen.draw(&rows()).unwrap();
        let first = screen.writer.len();
        screen.draw(&rows()).unwrap();
        let text = String::from_utf8(screen.writer).unwrap();
        assert!(
            !text[..first].contains("\x1b[2A") && text[first..].starts_with("\x1b[2A\r\x1b[J"),
            "{text:?}"
        );
        assert!(text.contains("\x1b[1msays rock\x1b[0m"), "{text:?}");
        let mut plain = Screen::new(Vec::new(), true, false);
        plain.draw(&rows()).unwrap();
        assert!(!plain.writer.contains(&0x1b), "`NO_COLOR`");
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        let text = "jazz leads rock by 12 s of evidence";
        assert_eq!(wrapped(text, Some(31)), ["jazz leads rock by", "12 s of evidence"]);
        assert_eq!(wrapped(text, None), [text]);
        // Two columns each.
        assert_eq!(wrapped("演歌演歌 演歌", Some(21)), ["演歌演歌", "演歌"]);
        let long = wrapped(&"x".repeat(50), Some(31));
        assert!(long.len() == 1 && long[0].len() == 20, "{long:?}");
    }
}
