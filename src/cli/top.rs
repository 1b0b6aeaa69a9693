//! `genred top`: the wall in a terminal.

mod client;
mod view;
mod wall;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, bounded};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal, backend::TestBackend};

use super::page_client::{DEFAULT_URL, PageClient};
use super::signals;
use crate::thread::Stop;
use client::WallMessage;
use wall::Wall;

/// Interval between screens.
const FRAME_INTERVAL: Duration = Duration::from_millis(250);

/// Messages that may wait for the screen.
const QUEUE_LENGTH: usize = 1024;

/// Rows that a page key scrolls.
const PAGE: usize = 10;

/// Width and height of the output without a terminal.
const PLAIN_SIZE: (u16, u16) = (120, 24);

/// Options of `genred top`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Keys: ↑ ↓ Page Up Page Down scroll, s changes the order, q ends.

Examples:
  genred top
  genred top https://radio.example/genred --token-file ~/.config/genred/token
  genred top --once | head")]
pub(crate) struct TopArgs {
    /// Address of the daemon's page
    #[arg(value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
    /// File whose first line is the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print one screen and end, as without a terminal
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let page = PageClient::new(&args.url)?.with_token_file(args.token_file.as_deref())?;
    let mut wall = Wall::new(client::sources(&page)?);
    if args.once || !std::io::stdout().is_terminal() {
        return print(&wall);
    }
    let stop = Stop::new().context("the system refused a pipe")?;
    signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let (tx, messages) = bounded(QUEUE_LENGTH);
    // The thread ends with the process: it may wait for the network.
    crate::thread::spawn("top-events", move || client::follow(&page, &tx))
        .context("no thread can be started")?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let result = follow(&mut terminal, &mut wall, &messages, &stop);
    ratatui::restore();
    result.map(|()| ExitCode::SUCCESS)
}

/// Draws the wall until a key or a signal ends it.
fn follow(
    terminal: &mut DefaultTerminal,
    wall: &mut Wall,
    messages: &Receiver<WallMessage>,
    stop: &Stop,
) -> anyhow::Result<()> {
    while !stop.is_set() {
        messages.try_iter().for_each(|message| wall.take(message));
        terminal.draw(|frame| view::draw(frame, wall)).context("the terminal cannot be drawn")?;
        let deadline = Instant::now() + FRAME_INTERVAL;
        while event::poll(deadline.saturating_duration_since(Instant::now()))? {
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && !handle(wall, key)
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Carries out a key. Returns false for one that ends the program.
fn handle(wall: &mut Wall, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Down | KeyCode::Char('j') => wall.scroll(1),
        KeyCode::Up | KeyCode::Char('k') => wall.scroll(-1),
        KeyCode::PageDown => wall.scroll(PAGE as isize),
        KeyCode::PageUp => wall.scroll(-(PAGE as isize)),
        KeyCode::Home => wall.scroll(isize::MIN),
        KeyCode::Char('s') => wall.change_order(),
        _ => {}
    }
    true
}

/// Prints one screen as text.
fn print(wall: &Wall) -> anyhow::Result<ExitCode> {
    let height = u16::try_from(wall.len() + 6).unwrap_or(u16::MAX).max(PLAIN_SIZE.1);
    let mut terminal = Terminal::new(TestBackend::new(PLAIN_SIZE.0, height))?;
    terminal.draw(|frame| view::draw(frame, wall))?;
    let buffer = terminal.backend().buffer();
    let mut stdout = std::io::stdout().lock();
    let mut lines: Vec<String> = buffer
        .content
        .chunks(PLAIN_SIZE.0.into())
        .map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned())
        .collect();
    lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
    for line in lines {
        writeln!(stdout, "{line}")?;
    }
    if wall.len() == 0 {
        bail!("the daemon has no sources");
    }
    Ok(ExitCode::SUCCESS)
}
