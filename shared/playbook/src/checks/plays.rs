//! Plays that are allowed, but probably do not do what was meant; and codes that would have expired when they arrive.

use std::collections::BTreeSet;

use kairos_engine::playbook::{Share, Trigger};

use super::{Whole, whole_file_warning};
use crate::diagnostic::Found;
use crate::possible::covers;

pub(super) fn check(whole: &Whole<'_>, found: &mut Found) {
    for play in &whole.playbook.plays {
        let Some(places) = whole.plays.get(play.name.as_str()) else { continue };
        let file = format!("plays/{}.yaml", play.name);
        if let (Some(at), Share::ALL) = (places.holdout, play.holdout) {
            let message = "everybody is held out: messages are decided and recorded, but never sent".to_owned();
            whole.warning(found, &file, at, message, "lower `holdout` when the trial is over".to_owned());
        }
        if let (Some(at), true) = (places.rollout, play.rollout.is_none()) {
            let message = "nobody gets this play".to_owned();
            whole.warning(found, &file, at, message, "raise `rollout` when it is to begin".to_owned());
        }
        if let (Some(at), Some(goal), Trigger::Event(of)) = (places.goal, &play.goal, &play.trigger)
            && let Some(event) = of.iter().find(|event| covers(&goal.of, event))
        {
            whole.warning(
                found,
                &file,
                at,
                format!("`{event}` starts this play and is its goal: the next one ends it, and is credited"),
                "name as the goal what the messages are to lead to".to_owned(),
            );
        }
        for (message, at) in &places.sent {
            let promotion = whole.playbook.messages.get(message).and_then(|message| message.promotion.as_ref());
            if let Some(name) = promotion
                && let Some(promotion) = whole.playbook.promotions.get(name)
                && promotion.expires_after <= play.valid_for
            {
                let text = format!(
                    "message `{message}` may be sent {} after its moment, when its code of `{name}` has expired after {}",
                    play.valid_for, promotion.expires_after
                );
                let help = "write a longer `expires_after` in promotions.yaml, or a shorter `valid_for` here";
                whole.problem(found, &file, *at, text, help.to_owned());
            }
            for (variable, why) in shown_in_vain(whole, &play.trigger, message) {
                let text = format!("message `{message}` shows `{variable}`, which is never known here: {why}");
                whole.warning(
                    found,
                    &file,
                    *at,
                    text,
                    "take it out of the message, or write one for this play".to_owned(),
                );
            }
        }
    }
    never_sent(whole, found);
    never_given(whole, found);
}

/// What a message shows that a play with this trigger has never got, and why.
fn shown_in_vain<'a>(whole: &'a Whole<'_>, trigger: &Trigger, message: &str) -> Vec<(&'a str, &'static str)> {
    let variables = whole.variables.get(message).into_iter().flatten().map(String::as_str);
    let begins = |variable: &str, root: &str| {
        variable.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    variables
        .filter_map(|variable| {
            let why = match trigger {
                Trigger::Schedule(_) if begins(variable, "event") || begins(variable, "product") => {
                    "no event starts it"
                }
                Trigger::Catalogue { .. } if begins(variable, "event") => "a product starts it, not an event",
                Trigger::RunOut { .. } if begins(variable, "event") => "time starts it, not an event",
                _ if begins(variable, "store") && whole.playbook.places.is_empty() => "there is no places.yaml",
                _ => return None,
            };
            Some((variable, why))
        })
        .collect()
}

/// Messages that no play sends. Told when nothing is wrong: a step that could not be read may send them.
fn never_sent(whole: &Whole<'_>, found: &mut Found) {
    if found.errors() > 0 {
        return;
    }
    for name in whole.names("messages/") {
        let is_sent = whole.plays.values().any(|places| places.sent.iter().any(|(message, _)| message == name));
        if !is_sent {
            let message = "no play sends this message".to_owned();
            found.push(whole_file_warning(
                &format!("messages/{name}.yaml"),
                message,
                "remove it, or name it in a `send`",
            ));
        }
    }
}

/// Promotions of which no message gives a code.
fn never_given(whole: &Whole<'_>, found: &mut Found) {
    if found.errors() > 0 {
        return;
    }
    let messages = whole.playbook.messages.values();
    let given: BTreeSet<&str> = messages.filter_map(|message| message.promotion.as_deref()).collect();
    for name in whole.playbook.promotions.keys().filter(|name| !given.contains(name.as_str())) {
        let message = format!("no message gives codes of the promotion `{name}`");
        let help = format!("remove it, or write `promotion: {name}` into a message");
        found.push(whole_file_warning("promotions.yaml", message, &help));
    }
}
