//! What a user is shown of their choices, and what a form makes of them.

use kairos_engine::consent::Choice;
use kairos_engine::event::{Event, EventKind, PREFERENCES};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::{Channel, OptIn, Playbook, Purpose};
use kairos_engine::state::UserState;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::consent_links::ConsentLink;
use serde_json::{Map, Value, json};

/// Requests within this time that say the same are one.
const TOGETHER: Span = Span::from_mins(1);

/// One channel as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub channel: Channel,
    /// What is left of the address when most of it is covered.
    pub address: Option<String>,
    /// Whether marketing is sent on it.
    pub is_on: bool,
    /// Whether it waits for a confirmation.
    pub is_pending: bool,
}

/// The channels that concern a user: those that the shop uses and on which they can be reached, and the one of the link.
pub fn shown(playbook: &Playbook, state: Option<&UserState>, link: &ConsentLink) -> Vec<Shown> {
    let channels = Channel::PERSONAL.into_iter().filter(|channel| playbook.channels.has(*channel));
    let shown = channels.filter_map(|channel| {
        let address = state.and_then(|state| state.profile.address(channel));
        let is_reachable = state.is_some_and(|state| state.is_reachable(channel));
        if !is_reachable && channel != link.channel {
            return None;
        }
        let entry = state.and_then(|state| state.consent.on(channel, Purpose::Marketing));
        let is_on = match entry.map(|entry| entry.choice) {
            Some(Choice::Given) => true,
            Some(Choice::Refused) => false,
            Some(Choice::Pending) | None => playbook.opt_in(channel) == OptIn::Implied,
        };
        let is_pending = !is_on && entry.is_some_and(|entry| entry.choice == Choice::Pending);
        Some(Shown { channel, address: address.map(|address| covered(channel, address)), is_on, is_pending })
    });
    shown.collect()
}

/// An address of which only its ends are seen: whoever has the message may not be who it was sent to.
fn covered(channel: Channel, address: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    match (channel, address.rsplit_once('@')) {
        (Channel::Email, Some((local, domain))) => format!("{}…@{domain}", first(local)),
        _ => {
            let count = address.chars().count();
            let end: String = address.chars().skip(count.saturating_sub(3)).collect();
            format!("…{end}")
        }
    }
}

/// What a form says of each channel that it showed.
pub fn chosen(form: &str, shown: &[Shown]) -> Vec<(Channel, bool)> {
    // A name of a channel needs no decoding.
    let has = |name: &str, value: &str| form.split('&').any(|pair| pair.split_once('=') == Some((name, value)));
    let none = has("none", "1");
    let channels = shown.iter().map(|shown| shown.channel).filter(|channel| none || has("shown", channel.as_str()));
    channels.map(|channel| (channel, !none && has("on", channel.as_str()))).collect()
}

/// What is put into the user's mailbox when they choose on the preferences page.
pub fn message(
    playbook: &Playbook,
    state: Option<&UserState>,
    link: &ConsentLink,
    chosen: &[(Channel, bool)],
    now: Timestamp,
) -> Option<MailboxMessage> {
    let inputs = chosen.iter().filter_map(|(channel, is_on)| {
        let entry = state.and_then(|state| state.consent.on(*channel, Purpose::Marketing));
        let is_given = entry.is_some_and(|entry| entry.choice == Choice::Given);
        let proves = *channel == link.channel;
        let choice = match is_on {
            false => Choice::Refused,
            // Only the address at which the link arrived is shown to be theirs.
            true if playbook.opt_in(*channel) == OptIn::Double && !proves => {
                if is_given {
                    return None;
                }
                Choice::Pending
            }
            true => Choice::Given,
        };
        Some(said(playbook, link, *channel, choice, "preferences", now))
    });
    let inputs: Vec<Input> = inputs.collect();
    (!inputs.is_empty()).then(|| MailboxMessage::of_inputs(link.user, inputs))
}

/// What is put into the mailbox when the link itself says it: `via` is `unsubscribe` or `confirmation`.
pub fn message_of_link(
    playbook: &Playbook,
    link: &ConsentLink,
    choice: Choice,
    via: &str,
    now: Timestamp,
) -> MailboxMessage {
    MailboxMessage::of_inputs(link.user, vec![said(playbook, link, link.channel, choice, via, now)])
}

fn said(playbook: &Playbook, link: &ConsentLink, channel: Channel, choice: Choice, via: &str, now: Timestamp) -> Input {
    let rules = playbook.consent.as_ref().and_then(|consent| consent.channels.get(&channel));
    let wording = rules.and_then(|rules| rules.wording.as_ref()).map(|wording| wording.version.clone());
    let known = [
        ("channel", Some(json!(channel))),
        ("purpose", Some(json!(Purpose::Marketing))),
        ("choice", Some(json!(choice.as_str()))),
        ("via", Some(json!(via))),
        ("wording", wording.filter(|_| choice == Choice::Given).map(Value::from)),
        ("address_key", (channel == link.channel).then(|| json!(link.address))),
        ("delivery_id", Some(json!(link.delivery))),
    ];
    let properties: Map<_, _> = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    // Who presses twice says it once; who changes their mind later is heard again.
    let together = now.as_millis() / TOGETHER.as_millis();
    let what = format!("{}/{channel}/{}/{via}/{together}", link.user, choice.as_str());
    let kind = EventKind::Track { event: EventName::ConsentUpdated, properties };
    // The mailbox says whose it is; who they are stands nowhere here.
    let id = InputId::of_message(PREFERENCES, &what);
    Input::event(Event::new(id, now, PREFERENCES.to_owned(), None, None, kind, Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::consent::{Statement, Way, statements};
    use kairos_engine::identifiers::{AddressKey, DeliveryId, UserKey};

    const NOW: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    fn link(channel: Channel) -> ConsentLink {
        let user = UserKey::known("42");
        let address = AddressKey::of(channel, "ada@shop.example");
        ConsentLink { user, channel, address, delivery: DeliveryId::of_decision(user, 1) }
    }

    fn playbook(opt_in: &str) -> Playbook {
        serde_json::from_value(json!({
            "sources": [], "plays": [], "messages": {},
            "channels": { "email": { "from": "hello@shop.example" }, "sms": {}, "webhook": { "url": "https://x.example" } },
            "consent": { "channels": {
                "email": { "opt_in": opt_in, "wording": { "version": "v7" } }, "sms": { "opt_in": opt_in },
            } },
        }))
        .unwrap()
    }

    fn user(said: &[(Channel, Choice)]) -> UserState {
        let mut state = UserState::default();
        state.profile.email = Some("ada@shop.example".into());
        state.profile.phone = Some("+4915112345678".into());
        for (channel, choice) in said {
            state.consent.hear(&Statement {
                channel: Some(*channel),
                purpose: Purpose::Marketing,
                choice: *choice,
                at: NOW,
                way: Way::Server,
                wording: None,
                address: None,
            });
        }
        state
    }

    #[test]
    fn a_page_shows_where_the_user_can_be_reached_and_what_is_sent_there() {
        let on = |opt_in: &str, said: &[(Channel, Choice)]| {
            let shown = shown(&playbook(opt_in), Some(&user(said)), &link(Channel::Email));
            shown.iter().map(|shown| (shown.channel, shown.is_on, shown.is_pending)).collect::<Vec<_>>()
        };
        let both = |email, sms| vec![(Channel::Email, email, false), (Channel::Sms, sms, false)];
        assert_eq!(on("implied", &[]), both(true, true));
        assert_eq!(on("implied", &[(Channel::Sms, Choice::Refused)]), both(true, false));
        assert_eq!(on("required", &[(Channel::Sms, Choice::Given)]), both(false, true));
        assert_eq!(on("double", &[(Channel::Email, Choice::Pending)])[0], (Channel::Email, false, true));
        let nobody = shown(&playbook("implied"), None, &link(Channel::Sms));
        assert_eq!(nobody.iter().map(|shown| shown.channel).collect::<Vec<_>>(), [Channel::Sms]);
        let addresses = shown(&playbook("implied"), Some(&user(&[])), &link(Channel::Email));
        let addresses: Vec<_> = addresses.into_iter().filter_map(|shown| shown.address).collect();
        assert_eq!(addresses, ["a…@shop.example", "…678"]);
    }

    #[test]
    fn a_form_says_what_was_chosen_of_what_it_showed() {
        let shown = shown(&playbook("implied"), Some(&user(&[])), &link(Channel::Email));
        for (form, expected) in [
            ("shown=email&on=email&shown=sms", vec![(Channel::Email, true), (Channel::Sms, false)]),
            ("shown=email&on=email&on=sms", vec![(Channel::Email, true)]),
            ("none=1", vec![(Channel::Email, false), (Channel::Sms, false)]),
            ("shown=email&on=email&none=1", vec![(Channel::Email, false), (Channel::Sms, false)]),
            ("", vec![]),
            ("shown=pigeon&on", vec![]),
        ] {
            assert_eq!(chosen(form, &shown), expected, "{form}");
        }
    }

    fn heard(message: &MailboxMessage) -> Vec<(Channel, Choice, Way, Option<String>, bool)> {
        let read = |input: &Input| match input {
            Input::Event { event, .. } => statements(event),
            other => panic!("{other:?}"),
        };
        let said = message.inputs().iter().flat_map(read);
        said.map(|said| (said.channel.unwrap(), said.choice, said.way, said.wording, said.address.is_some())).collect()
    }

    #[test]
    fn what_was_chosen_is_said_with_its_proof_and_its_words() {
        let both = [(Channel::Email, true), (Channel::Sms, true)];
        let said = |opt_in: &str, of: &[(Channel, Choice)], chosen: &[(Channel, bool)]| {
            let message = message(&playbook(opt_in), Some(&user(of)), &link(Channel::Email), chosen, NOW);
            message.as_ref().map(heard).unwrap_or_default()
        };
        let email = (Channel::Email, Choice::Given, Way::Preferences, Some("v7".to_owned()), true);
        assert_eq!(
            said("implied", &[], &both),
            [email.clone(), (Channel::Sms, Choice::Given, Way::Preferences, None, false)]
        );
        // The link has come by email: it proves nothing of the phone.
        assert_eq!(
            said("double", &[], &both),
            [email.clone(), (Channel::Sms, Choice::Pending, Way::Preferences, None, false)]
        );
        assert_eq!(said("double", &[(Channel::Sms, Choice::Given)], &both), [email]);
        let off = [(Channel::Sms, false)];
        assert_eq!(said("double", &[], &off), [(Channel::Sms, Choice::Refused, Way::Preferences, None, false)]);
        assert_eq!(said("double", &[], &[]), []);
    }

    #[test]
    fn what_is_said_twice_in_a_moment_is_one_input_and_later_another() {
        let playbook = playbook("implied");
        let say = |choice, later| {
            let now = NOW.plus(Span::from_secs(later));
            message_of_link(&playbook, &link(Channel::Email), choice, "unsubscribe", now)
        };
        let refused = |later| say(Choice::Refused, later);
        assert_eq!(heard(&refused(0))[0].2, Way::Unsubscribe);
        assert_eq!(refused(0).id(), refused(5).id());
        assert_ne!(refused(0).id(), refused(60).id());
        assert_ne!(refused(0).id(), say(Choice::Given, 0).id());
    }
}
