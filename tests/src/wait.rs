//! Waiting with a bound: nothing in a rig waits for ever.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Asks `ready` again and again until it has a value.
///
/// # Errors
/// [`Error::Timeout`], naming `what`, when it has none within `limit`.
pub fn until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout { what: what.to_owned(), limit });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}
