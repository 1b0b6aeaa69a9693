//! Blocks of lines: one below the other, or on a terminal each in the place of the one before.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

use super::words::Row;

/// Columns of the headings.
const HEADING: usize = 10;
/// Where a terminal does not say how wide it is.
const WIDTH: usize = 80;

/// Where blocks are drawn.
pub struct Screen<W> {
    writer: W,
    /// Lines are wrapped, and drawn over.
    terminal: bool,
    colour: bool,
    /// Lines of the newest block.
    height: usize,
}

impl<W: Write> Screen<W> {
    /// One that draws on `writer`.
    pub fn new(writer: W, terminal: bool, colour: bool) -> Self {
        Self { writer, terminal, colour, height: 0 }
    }

    /// Draws a block.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draw(&mut self, rows: &[Row]) -> io::Result<()> {
        let width = self.terminal.then(width);
        let mut text = String::new();
        // Up to where the block before began, and all below is cleared.
        if self.terminal && self.height > 0 {
            text += &format!("\x1b[{}A\r\x1b[J", self.height);
        }
        let mut height = 0;
        for row in rows {
            for (index, line) in wrapped(&row.text, width).into_iter().enumerate() {
                let heading = if index == 0 { row.heading } else { "" };
                let pad = HEADING.saturating_sub(columns(heading));
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
        // One write: a terminal shows no half of it.
        self.writer.write_all(text.as_bytes())?;
        self.writer.flush()
    }
}

/// Columns of the terminal on standard output.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(WIDTH)
}

/// `text` in lines that fit beside a heading; as it is where there is no width.
fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![text.to_owned()] };
    // The last column is left free: some terminals go on to the next line when it is written.
    let room = width.saturating_sub(HEADING + 1).max(10);
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
        // A name may be longer than any line.
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

    fn rows() -> Vec<Row> {
        vec![Row::new("patch", "jazz 0.41, rock 0.38"), Row::reason("says rock")]
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
