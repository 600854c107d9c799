//! Names of outcomes, in words.

/// Why there was no message.
pub(super) fn reason(name: &str) -> String {
    match name {
        "cap" => "The play's own limit was reached",
        "policy_cap" => "The limit for all plays was reached",
        "moment_passed" => "The moment had passed",
        "no_address" => "No address on any channel of the step",
        "not_in_audience" => "Not in the play's audience (who)",
        "excluded" => "Excluded (unless)",
        "already_entered" => "Had been through it already (once in a life)",
        "too_many_at_once" => "Too many messages at the same time",
        "cooldown" => "Entered too short a time ago (cooldown)",
        "not_rolled_out" => "Not rolled out to them yet",
        "already_running" => "On the way through it already",
        "quiet_hours" => "Due in quiet hours",
        "too_many_running" => "On the way through too many plays",
        "play_changed" => "The step they waited in is gone from the play",
        "too_many_steps" => "Too many steps in one instant",
        "no_consent" => "No consent on any channel of the step",
        "suppressed" => "The address is dead, or its owner said STOP",
        other => return crate::format::title(other),
    }
    .to_owned()
}

/// What may be done about it.
pub(super) fn remedy(name: &str) -> &'static str {
    match name {
        "cap" => "Raise the play's cap, if people want more of it.",
        "policy_cap" => "Other plays were first: give this one a higher priority, or raise the policy's cap.",
        "moment_passed" => "Raise valid_for, or look at Health: perhaps something was late.",
        "no_address" => "Ask for an address, or add a channel on which these people can be reached.",
        "quiet_hours" => "Let the play wait until quiet hours end (quiet_hours: hold).",
        "not_rolled_out" => "Raise the rollout.",
        "no_consent" => "Ask for consent where it fits.",
        "cooldown" => "Shorten the cooldown, if the moment comes more often.",
        _ => "",
    }
}

/// The four moments, with what people want in them.
pub(super) const MOMENTS: [(&str, &str, &str); 4] = [
    ("know", "I want to know", "times somebody began to look for information"),
    ("go", "I want to go", "times somebody began to look for a place"),
    ("do", "I want to do", "times somebody began to use or learn something"),
    ("buy", "I want to buy", "times somebody was about to order"),
];
