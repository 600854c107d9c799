//! Consent that nobody asks for, and confirmations that nobody can give.

use kairos_engine::playbook::{Channel, OptIn, Purpose};

use super::{Whole, whole_file_warning};
use crate::diagnostic::Found;

const FILE: &str = "consent.yaml";

pub(super) fn check(whole: &Whole<'_>, found: &mut Found) {
    if found.errors() > 0 {
        return;
    }
    let playbook = whole.playbook;
    let advertises = |channel: &Channel| {
        let mut messages = playbook.messages.values().filter(|message| message.purpose == Purpose::Marketing);
        messages.any(|message| message.locales.values().any(|templates| templates.has(*channel)))
    };
    if playbook.consent.is_none() && Channel::PERSONAL.iter().any(advertises) {
        let message = "nothing says who may get marketing: whoever has not refused gets it".to_owned();
        let help = "write consent.yaml with `channels:`, below it each channel with `opt_in: implied`, `required` or \
                    `double`; or `purpose: transactional` into messages that are no marketing";
        found.push(whole_file_warning(FILE, message, help));
    }
    for channel in Channel::ALL.into_iter().filter(|channel| playbook.opt_in(*channel) == OptIn::Double) {
        let can_confirm = playbook.messages.iter().any(|(name, message)| {
            let shows = whole.variables.get(name).is_some_and(|names| names.contains("confirm_url"));
            let has_channel = message.locales.values().any(|templates| templates.has(channel));
            shows && has_channel && message.purpose == Purpose::Transactional
        });
        if !can_confirm {
            let message = format!("consent by {channel} has to be confirmed, and no message shows where");
            let help = "write a message with `purpose: transactional` that shows `{{ confirm_url }}`, and a play that sends \
                        it on `Consent Updated` with `choice: pending`";
            found.push(whole_file_warning(FILE, message, help));
        }
    }
}
