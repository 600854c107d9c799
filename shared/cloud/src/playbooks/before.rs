//! What was in force before a publication, and what that means for the one that follows.

use std::collections::BTreeMap;

use kairos_engine::bounds::SEGMENTS_MAX;
use kairos_engine::name::Name;
use kairos_engine::playbook::Playbook;
use kairos_engine::program::Program;
use kairos_engine::register::Register;
use kairos_engine::time::Timestamp;

/// What was in force before a publication.
pub(super) enum Before {
    /// It is the first.
    Nothing,
    /// This.
    Known { program: Box<Program>, since: Option<Timestamp> },
    /// What an earlier Kairos has published and this one does not understand.
    Unreadable,
}

impl Before {
    /// Since when each of these registers is watched. One that is not named was there from the beginning.
    pub(super) fn watched_since(&self, registers: &[Register], now: Timestamp) -> BTreeMap<String, Timestamp> {
        let known: Option<BTreeMap<String, Option<Timestamp>>> = match self {
            Self::Nothing => return BTreeMap::new(),
            Self::Known { program, .. } => {
                let since = &program.playbook().watched_since;
                let keys = program.registers().iter().map(Register::watch_key);
                Some(keys.map(|key| (key.clone(), since.get(&key).copied())).collect())
            }
            Self::Unreadable => None,
        };
        let since = |key: &String| match known.as_ref().and_then(|known| known.get(key)) {
            Some(since) => *since,
            None => Some(now),
        };
        registers.iter().map(Register::watch_key).filter_map(|key| Some((key.clone(), since(&key)?))).collect()
    }

    /// The segments that there were and are no more, the newest last.
    pub(super) fn retired_segments(&self, next: &Playbook) -> Vec<Name> {
        let Self::Known { program, .. } = self else { return Vec::new() };
        let before = program.playbook();
        let names = before.retired_segments.iter().chain(before.segments.iter().map(|segment| &segment.name));
        let retired: Vec<&Name> = names.filter(|name| next.segment(name).is_none()).collect();
        retired[retired.len().saturating_sub(SEGMENTS_MAX)..].iter().map(|name| (*name).clone()).collect()
    }

    /// Since when programs that watch the same as this one have been in force without a break.
    pub(super) fn program_since(&self, program: &Program, now: Timestamp) -> Timestamp {
        match self {
            Self::Known { program: before, since } if before.fingerprint() == program.fingerprint() => {
                since.unwrap_or(now)
            }
            _ => now,
        }
    }
}
