//! `genred top`: the wall of a running daemon in a terminal.

mod screen;
mod source;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, Sender, bounded};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::page_client::{DEFAULT_URL, PageClient};
use super::signals;
use crate::thread::{Stop, spawn};
use screen::{Wall, render, text};
use source::WallSource;

/// Interval between requests to the daemon.
const REFRESH: Duration = Duration::from_secs(1);

/// Longest wait for a key before the screen is drawn again.
const REDRAW: Duration = Duration::from_millis(250);

/// Lines that Page Up and Page Down scroll by.
const PAGE: usize = 10;

/// Show the sources of a running daemon, those in trouble first
///
/// Keys: q quits; arrows and Page Up/Down scroll.
#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    /// Address of the daemon's page, without TLS
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
    /// File with the token of the page
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the sources once, as without a terminal
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let client = PageClient::new(&args.url)?.with_token_file(args.token_file.as_deref())?;
    let sources = fetch(&client)?;
    let wall = Wall::new(client.url(), sources);
    if args.once || !std::io::stdout().is_terminal() {
        write!(std::io::stdout(), "{}", text(&wall))?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::new()?;
    signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let (answers_tx, answers) = bounded(1);
    let poller = stop.clone();
    spawn("top", move || poll(&client, &answers_tx, &poller))?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let shown = show(&mut terminal, wall, &answers, &stop);
    stop.set();
    let restored = ratatui::try_restore();
    shown?;
    restored?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon for its sources until the stop token is set.
fn poll(client: &PageClient, answers: &Sender<Result<Vec<WallSource>, String>>, stop: &Stop) {
    while !stop.wait(REFRESH) {
        let answer = fetch(client).map_err(|error| format!("{error:#}"));
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn fetch(client: &PageClient) -> anyhow::Result<Vec<WallSource>> {
    let (status, body) = client.get("api/v1/sources")?;
    match status {
        200 => source::parse(&body)
            .with_context(|| format!("`{}` is not genred, or another version", client.url())),
        401 => bail!("`{}` asks for a token; give its file with `--token-file`", client.url()),
        _ => bail!("`{}` answers with status {status}", client.url()),
    }
}

/// Shows the wall until `q` is pressed or the stop token is set.
fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut wall: Wall,
    answers: &Receiver<Result<Vec<WallSource>, String>>,
    stop: &Stop,
) -> anyhow::Result<()> {
    while !stop.is_set() {
        if let Ok(answer) = answers.try_recv() {
            wall.update(answer);
        }
        terminal.draw(|frame| {
            let area = frame.area();
            render(&wall, area, frame.buffer_mut());
        })?;
        if event::poll(REDRAW)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                KeyCode::Up | KeyCode::Char('k') => wall.scroll_up(1),
                KeyCode::Down | KeyCode::Char('j') => wall.scroll_down(1),
                KeyCode::PageUp => wall.scroll_up(PAGE),
                KeyCode::PageDown => wall.scroll_down(PAGE),
                KeyCode::Home => wall.scroll_up(usize::MAX),
                KeyCode::End => wall.scroll_down(usize::MAX),
                _ => {}
            }
        }
    }
    Ok(())
}
