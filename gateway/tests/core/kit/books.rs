//! Every counter of the data plane by name, and what a step did to them.

use super::frame::Via;
use gateway::pipeline::drop_reason::DropReason;
use gateway::pipeline::ledger::Ledger;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counters that are not 0, by name; drops by the name of their reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Books(BTreeMap<String, i64>);

impl Books {
    /// All counters: the ledger's, and how many flows and SNAT ports are held.
    pub(crate) fn read(ledger: &Ledger, flows: u64, ports: usize) -> Self {
        let mut books = Self::default();
        for via in Via::ALL {
            books.add(format!("rx.{}", via.name()), ledger.rx[via as usize]);
            books.add(format!("tx.{}", via.name()), ledger.tx[via as usize]);
        }
        for reason in DropReason::ALL {
            books.add(reason.name().to_owned(), ledger.drops_of(*reason));
        }
        for (name, count) in [
            ("generated", ledger.generated),
            ("consumed", ledger.consumed),
            ("host", ledger.host),
            ("held", ledger.held),
            ("completed", ledger.checksums_completed),
            ("flows_admitted", ledger.flows_admitted),
            ("flows_ended", ledger.flows_ended),
            ("flows", flows),
            ("ports", u64::try_from(ports).expect("a count")),
        ] {
            books.add(name.to_owned(), count);
        }
        books
    }

    /// What a step is expected to do: names with `-` in front for one less, or `N*` for N more.
    pub(crate) fn expect(words: &str) -> Self {
        let mut books = Self::default();
        for word in words.split_whitespace() {
            let (count, name) = match (word.strip_prefix('-'), word.split_once('*')) {
                (Some(name), _) => (-1, name),
                (None, Some((count, name))) => (count.parse().expect("a count"), name),
                (None, None) => (1, word),
            };
            *books.0.entry(name.to_owned()).or_default() += count;
        }
        books.0.retain(|_, count| *count != 0);
        books
    }

    /// What happened since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut books = self.0.clone();
        for (name, count) in &earlier.0 {
            *books.entry(name.clone()).or_default() -= count;
        }
        books.retain(|_, count| *count != 0);
        Self(books)
    }

    /// One line a counter.
    pub(crate) fn page(&self) -> String {
        let mut page = String::new();
        for (name, count) in &self.0 {
            writeln!(page, "    {name:<24} {count:>8}").expect("a string takes all");
        }
        page
    }

    fn add(&mut self, name: String, count: u64) {
        if count > 0 {
            self.0.insert(name, i64::try_from(count).expect("a test's count"));
        }
    }
}
