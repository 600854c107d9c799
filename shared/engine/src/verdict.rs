//! An answer, and how long it lasts.

use crate::time::Timestamp;

/// Whether something holds, and the first instant at which time alone may change that. The instant is never
/// later than the true change; where it is earlier, the answer is simply asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// Until when; for ever without it.
    pub until: Option<Timestamp>,
}

impl Verdict {
    /// An answer that time does not change.
    pub const fn always(holds: bool) -> Self {
        Self { holds, until: None }
    }

    /// True from an instant on.
    pub fn from(start: Timestamp, at: Timestamp) -> Self {
        match at >= start {
            true => Self::always(true),
            false => Self { holds: false, until: Some(start) },
        }
    }

    /// True before an instant.
    pub fn before(end: Timestamp, at: Timestamp) -> Self {
        match at < end {
            true => Self { holds: true, until: Some(end) },
            false => Self::always(false),
        }
    }

    /// The contrary, for as long.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { holds: !self.holds, until: self.until }
    }

    /// Whether all hold. While some do not, nothing changes before the last of these may.
    pub fn all(parts: impl Iterator<Item = Self>) -> Self {
        let mut holding = None::<Timestamp>;
        let mut failing = None::<Option<Timestamp>>;
        for part in parts {
            if part.holds {
                holding = earlier(holding, part.until);
            } else {
                failing = Some(match failing {
                    None => part.until,
                    // One that never changes by time alone holds the others back for ever.
                    Some(known) => later(known, part.until),
                });
            }
        }
        match failing {
            Some(until) => Self { holds: false, until },
            None => Self { holds: true, until: holding },
        }
    }

    /// Whether one holds.
    pub fn any(parts: impl Iterator<Item = Self>) -> Self {
        Self::all(parts.map(Self::negated)).negated()
    }
}

/// The earlier of two instants of which either may be missing (never).
pub(crate) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The later of two instants of which either may be missing (never).
fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    Some(one?.max(other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_several_lasts_as_long_as_nothing_can_change_it() {
        let at = Timestamp::from_millis;
        let yes = |until| Verdict { holds: true, until: Some(at(until)) };
        let no = |until| Verdict { holds: false, until: Some(at(until)) };
        let never = Verdict::always(false);
        for (parts, all, any) in [
            (&[yes(5), yes(3)][..], yes(3), yes(5)),
            (&[yes(5), no(3)], no(3), yes(5)),
            (&[no(5), no(3)], no(5), no(3)),
            (&[no(5), never], never, no(5)),
            (&[yes(5), never], never, yes(5)),
            (&[], Verdict::always(true), Verdict::always(false)),
        ] {
            assert_eq!(Verdict::all(parts.iter().copied()), all, "{parts:?}");
            assert_eq!(Verdict::any(parts.iter().copied()), any, "{parts:?}");
        }
    }
}
