//! Worlds from text, tuples from words.

use std::net::IpAddr;

use flowtable::key::{Addr, Port, Proto};
use rules::{
    Loaded, Objects, Policy, Settings, Source, Tuple, Unmatched, Verdict, compile, load, reference,
};

/// A small deterministic generator (splitmix64, Steele, Lea and Flood 2014), so that a failure can be repeated.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("64 bits");
        usize::try_from(self.next() % end).expect("below a usize")
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Whether something happens that does so once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

pub(crate) fn address(text: &str) -> Addr {
    text.parse::<IpAddr>().unwrap_or_else(|_| panic!("`{text}` is no address")).into()
}

/// A tuple as a client would open it.
pub(crate) fn tuple(src: &str, dst: &str, proto: Proto, dport: u16) -> Tuple {
    let sport = if proto.has_ports() { 50_000 } else { 0 };
    Tuple::new(address(src), address(dst), proto, Port(sport), Port(dport))
}

/// What one text loads to, under the name `test.yaml`.
pub(crate) fn load_text(text: &str) -> Loaded {
    load(&[Source::new("test.yaml", text)])
}

/// A policy and the objects it was made of.
pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) policy: Policy,
    pub(crate) unmatched: Unmatched,
}

impl World {
    pub(crate) fn new(text: &str, unmatched: Unmatched) -> Self {
        let loaded = load_text(text);
        assert!(!loaded.has_errors(), "{}", shown(&loaded));
        Self::of(loaded.objects, unmatched)
    }

    pub(crate) fn of(objects: Objects, unmatched: Unmatched) -> Self {
        let settings = Settings { unmatched, ..Settings::default() };
        let policy = compile(&objects, &settings).unwrap_or_else(|errors| panic!("{errors:#?}"));
        Self { objects, policy, unmatched }
    }

    /// The verdict of the tables, after the explanation and the reference have agreed.
    pub(crate) fn verdict(&self, tuple: &Tuple) -> Verdict {
        let decision = self.policy.decide(tuple);
        let explanation = self.policy.explain(tuple);
        assert_eq!(explanation.verdict, decision.verdict, "explain differs: {tuple:?}");
        assert_eq!(explanation.decided_by, self.policy.provenance(decision.rule));
        assert_eq!(explanation.decided_by.layer, decision.layer);
        let last = explanation.path.last().expect("something was consulted");
        assert_eq!((&last.object, &last.rule), {
            let by = &explanation.decided_by;
            (&by.object, &by.rule)
        });
        let believed = reference::judge(&self.objects, self.unmatched, tuple);
        assert_eq!(
            decision.verdict, believed,
            "the reference differs: {tuple:?}\n{explanation:#?}"
        );
        decision.verdict
    }
}

/// The findings of a load, one a line.
pub(crate) fn shown(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}

/// A pod as text.
pub(crate) fn pod(namespace: &str, name: &str, labels: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, \
         labels: {{{labels}}}}}\nstatus: {{podIP: \"{ip}\"}}\n"
    )
}
