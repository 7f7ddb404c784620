//! Where frames go: a terminal that is redrawn and asked for keys, or plain text now and then.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{cursor, execute, queue};

use crate::text::{Line, render};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(250);
/// How often a plain frame is printed.
const PLAIN: Duration = Duration::from_secs(5);
/// Width of plain frames.
const COLUMNS: usize = 200;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Deny,
    Flood,
    Quit,
    Interrupt,
}

/// The place for frames.
#[derive(Debug)]
pub(crate) enum Screen {
    Terminal,
    Plain { last: Instant },
}

impl Screen {
    /// A live terminal if there is one, unless `plain` is asked for.
    pub(crate) fn open(plain: bool) -> io::Result<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if plain || dumb || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Ok(Self::Plain { last: Instant::now() });
        }
        // A panic must not leave the user's terminal raw; the message comes after.
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            previous(panic);
        }));
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(Self::Terminal)
    }

    /// Whether keys are read.
    pub(crate) const fn has_keys(&self) -> bool {
        matches!(self, Self::Terminal)
    }

    /// Waits for the next frame's time or a key.
    pub(crate) fn wait(&self) -> io::Result<Option<Key>> {
        match self {
            Self::Plain { .. } => {
                thread::sleep(REDRAW);
                Ok(None)
            }
            Self::Terminal if poll(REDRAW)? => Ok(key(&read()?)),
            Self::Terminal => Ok(None),
        }
    }

    /// Whether a frame is wanted now.
    pub(crate) fn is_due(&self) -> bool {
        match self {
            Self::Terminal => true,
            Self::Plain { last } => last.elapsed() >= PLAIN,
        }
    }

    /// Shows a frame.
    pub(crate) fn show(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Terminal => {
                let (columns, rows) = size()?;
                let width = usize::from(columns);
                queue!(out, cursor::MoveTo(0, 0))?;
                for line in lines.iter().take(usize::from(rows.saturating_sub(1))) {
                    write!(out, "{}", render(line, width, colours()))?;
                    queue!(out, Clear(ClearType::UntilNewLine))?;
                    write!(out, "\r\n")?;
                }
                queue!(out, Clear(ClearType::FromCursorDown))?;
            }
            Self::Plain { last } => {
                *last = Instant::now();
                for line in lines {
                    writeln!(out, "{}", render(line, COLUMNS, false).trim_end())?;
                }
                writeln!(out)?;
            }
        }
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if matches!(self, Self::Terminal) {
            restore();
        }
    }
}

/// Whether colours are wanted: <https://no-color.org>.
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn restore() {
    // A terminal that has gone cannot be put right.
    drop(execute!(io::stdout(), cursor::Show, LeaveAlternateScreen));
    drop(disable_raw_mode());
}

fn key(event: &Event) -> Option<Key> {
    let Event::Key(key) = event else { return None };
    if key.kind != KeyEventKind::Press {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
        KeyCode::Char('d') => Some(Key::Deny),
        KeyCode::Char('f') => Some(Key::Flood),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
        _ => None,
    }
}
