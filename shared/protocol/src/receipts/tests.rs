use super::*;
use crate::golden::is_golden;
use kairos_engine::bounds::CLAIM_LEASE;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{ChannelOrder, EventMatch, EventPattern, Play, Step, Trigger};
use kairos_engine::time::Span;

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);
const DEAD: News = News::Dead { reason: SuppressionReason::HardBounce };
const COMPLAINT: News = News::Dead { reason: SuppressionReason::Complaint };
const STOP: News = News::Dead { reason: SuppressionReason::Stop };

fn record(channel: Channel, status: Status) -> DeliveryRecord {
    let text = include_str!("../../tests/golden/delivery_record_v1.json");
    let record = DeliveryRecord::from_json(text).unwrap();
    DeliveryRecord { channel, status, changed_at: NOON, doubtful: false, ..record }
}

fn receipt(news: News) -> Receipt {
    Receipt::new("provider/1", Channel::Email, NOON, news)
}

#[test]
fn what_travels_is_the_golden_files() {
    let receipt = Receipt::new("ses/m-1/bounce/ann@shop.example", Channel::Email, NOON, DEAD)
        .for_delivery(Some("00112233445566778899aabbccddeeff"))
        .for_provider_id(Some("m-1"))
        .at_address(Some("ann@shop.example"))
        .with_code(Some("Permanent/General"));
    let message = FeedbackMessage::V1 { receipt };
    let text = is_golden("feedback_message_v1.json", &serde_json::to_string(&message).unwrap());
    assert_eq!(serde_json::from_str::<FeedbackMessage>(&text).unwrap(), message);
    let said = FeedbackMessage::V1 {
        receipt: Receipt::new("telegram/1", Channel::Telegram, NOON, News::Said { text: "stop".into() }),
    };
    let text = is_golden("feedback_message_v1_said.json", &serde_json::to_string(&said).unwrap());
    assert_eq!(serde_json::from_str::<FeedbackMessage>(&text).unwrap(), said);

    let record = record(Channel::Email, Status::Sent);
    let FeedbackMessage::V1 { receipt } = message;
    let told = receipt.tells(&record, EventName::EmailBounced, NOON);
    let text = is_golden("email_bounced_message_v1.json", &serde_json::to_string(&told).unwrap());
    assert_eq!(serde_json::from_str::<MailboxMessage>(&text).unwrap(), told);
}

#[test]
fn a_tests_record_is_known_by_its_user() {
    use crate::delivery::TEST_USER;
    let record = record(Channel::Email, Status::Sent);
    assert!(!record.is_of_test());
    assert!(DeliveryRecord { user: UserKey::known(TEST_USER), ..record }.is_of_test());
}

#[test]
fn what_is_stored_is_the_golden_file() {
    let mut record = record(Channel::Email, Status::Sent);
    for (secs, news) in [(1, News::Bounced), (2, News::Delivered), (3, News::Read), (4, COMPLAINT), (5, DEAD)] {
        let receipt = Receipt { at: NOON.plus(Span::from_secs(secs)), ..receipt(news) }.with_code(Some("a code"));
        record = record.received(&receipt, NOON).unwrap();
    }
    assert_eq!((record.revision, record.changed_at), (7, NOON), "a receipt does not change where it stands");
    let text = is_golden("delivery_record_v1_receipts.json", &record.to_json().unwrap());
    assert_eq!(DeliveryRecord::from_json(&text).unwrap(), record);
}

#[test]
fn the_same_news_is_noted_once_and_keeps_its_first_time() {
    for news in [News::Delivered, News::Read, News::Bounced, News::Failed, DEAD, COMPLAINT, News::MarketingRefused] {
        let first = record(Channel::Email, Status::Sent).received(&receipt(news.clone()), NOON).unwrap();
        let later = Receipt { at: NOON.plus(Span::from_secs(9)), ..receipt(news.clone()) };
        assert_eq!(first.received(&later, NOON), None, "{news:?}");
    }
    for news in [News::Accepted, News::Delayed, News::Alive] {
        assert_eq!(record(Channel::Email, Status::Sent).received(&receipt(news), NOON), None);
    }
}

#[test]
fn what_has_arrived_was_taken_which_ends_any_doubt() {
    let doubtful = |status| DeliveryRecord { doubtful: true, ..record(Channel::Sms, status) };
    let abandoned = NOON.plus(CLAIM_LEASE);
    for (before, now, expected) in [
        (record(Channel::Sms, Status::Unconfirmed), NOON, Status::Sent),
        (doubtful(Status::Waiting), NOON, Status::Sent),
        (doubtful(Status::Failed), NOON, Status::Sent),
        (record(Channel::Sms, Status::Claimed), abandoned, Status::Sent),
        // It was not sent, so this is of another message with a stolen tag.
        (record(Channel::Sms, Status::Waiting), NOON, Status::Waiting),
        (record(Channel::Sms, Status::Refused), NOON, Status::Refused),
        (record(Channel::Sms, Status::Expired), NOON, Status::Expired),
    ] {
        let after = before.received(&receipt(News::Delivered), now).unwrap();
        assert_eq!(after.status, expected, "{:?}", before.status);
        if expected == Status::Sent {
            assert_eq!(after.sent_at, Some(NOON));
            assert_eq!(before.received(&receipt(News::Accepted), now).map(|record| record.status), Some(Status::Sent));
        }
        // That it failed says nothing of whether it was taken.
        assert_eq!(before.received(&receipt(News::Failed), now).unwrap().status, before.status);
    }
}

#[test]
fn users_hear_of_it_by_segments_names_and_once_each() {
    use EventName as E;
    for (channel, status, news, event) in [
        (Channel::Email, Status::Sent, News::Delivered, Some(E::EmailDelivered)),
        (Channel::Email, Status::Sent, DEAD, Some(E::EmailBounced)),
        (Channel::Email, Status::Sent, COMPLAINT, Some(E::EmailMarkedAsSpam)),
        (Channel::Email, Status::Sent, News::Failed, Some(E::MessageFailed)),
        // It never left.
        (Channel::Email, Status::Refused, DEAD, Some(E::MessageFailed)),
        (Channel::Email, Status::Sent, News::Bounced, None),
        (Channel::Viber, Status::Sent, News::Delivered, Some(E::MessageDelivered)),
        (Channel::Viber, Status::Sent, News::Read, Some(E::MessageRead)),
        (Channel::Sms, Status::Sent, DEAD, Some(E::MessageFailed)),
        (Channel::Telegram, Status::Refused, STOP, Some(E::MessageFailed)),
        (Channel::Whatsapp, Status::Sent, News::MarketingRefused, Some(E::MessageFailed)),
        (Channel::Whatsapp, Status::Sent, News::Accepted, None),
    ] {
        let record = record(channel, status);
        assert_eq!(receipt(news.clone()).event(&record), event, "{channel} {news:?}");
        if let Some(event) = event {
            let (first, again) = (receipt(news.clone()), Receipt { id: "provider/2".into(), ..receipt(news) });
            assert_eq!(first.tells(&record, event.clone(), NOON), again.tells(&record, event, NOON));
        }
    }
}

#[test]
fn good_news_matters_when_the_playbook_asks_for_it_and_bad_news_always() {
    let asks_for = |event: EventName| {
        let of = EventMatch::all(EventPattern::Track(event));
        Playbook { plays: vec![Play { trigger: Trigger::Event(vec![of]), ..Play::default() }], ..Playbook::default() }
    };
    for event in [EventName::EmailDelivered, EventName::MessageDelivered, EventName::MessageRead] {
        assert!(!matters(&event, &Playbook::default()), "{event}");
        assert!(!matters(&event, &asks_for(EventName::EmailBounced)), "{event}");
        assert!(matters(&event, &asks_for(event.clone())), "{event}");
    }
    // Which channel its user answers to, what was read tells, too.
    let send = Step::Send { message: "x".into(), channels: vec![Channel::Viber], order: ChannelOrder::MostEngaged };
    let engaged = Playbook { plays: vec![Play { steps: vec![send], ..Play::default() }], ..Playbook::default() };
    assert!(matters(&EventName::MessageRead, &engaged) && !matters(&EventName::MessageDelivered, &engaged));
    for event in [EventName::EmailBounced, EventName::EmailMarkedAsSpam, EventName::MessageFailed] {
        assert!(matters(&event, &Playbook::default()), "{event}");
    }
}

#[test]
fn refusals_for_an_address_are_told_as_what_they_say_of_it() {
    let report = |channel, class, code: &str, detail: &str, outcome| Report {
        delivery: DeliveryId::parse("00112233445566778899aabbccddeeff"),
        channel: Some(channel),
        correlation: None,
        is_test: false,
        outcome,
        answer: Some(Answer::new(class, code).with_detail(detail)),
        fault: None,
    };
    let address = AnswerClass::PermanentAddress;
    for (channel, class, code, detail, news) in [
        (Channel::Email, address, "BadRequestException", "Illegal address", Some(DEAD)),
        (Channel::Email, AnswerClass::PermanentMessage, "MessageRejected", "a virus", None),
        (Channel::Sms, address, "OptedOut", "", Some(STOP)),
        (Channel::Sms, address, "InvalidParameter", "Phone number is opted out", Some(STOP)),
        (Channel::Sms, address, "InvalidParameter", "PhoneNumber is not valid to publish to", Some(DEAD)),
        (Channel::Sms, address, "DESTINATION_PHONE_NUMBER_OPTED_OUT", "", Some(STOP)),
        (Channel::Telegram, address, "403", "Forbidden: bot was blocked by the user", Some(STOP)),
        (Channel::Telegram, address, "403", "Forbidden: user is deactivated", Some(DEAD)),
        (Channel::Telegram, address, "400", "Bad Request: chat not found", Some(DEAD)),
        (Channel::Viber, address, "6", "notSubscribed", Some(STOP)),
        (Channel::Viber, address, "5", "receiverNotRegistered", Some(DEAD)),
        (Channel::Viber, address, "11", "receiverNoSuitableDevice", None),
        (Channel::Whatsapp, address, "131026", "", Some(DEAD)),
        (Channel::Whatsapp, address, "131050", "", Some(News::MarketingRefused)),
        (Channel::Whatsapp, address, "130497", "", None),
        (Channel::Webhook, address, "410", "", None),
        (Channel::Email, AnswerClass::NotAllowed, "suppressed", "complaint", Some(COMPLAINT)),
        (Channel::Email, AnswerClass::NotAllowed, "no_consent", "", None),
    ] {
        for outcome in [Outcome::Refused, Outcome::AlreadyDone(Status::Refused)] {
            let told = Receipt::of_refusal(&report(channel, class, code, detail, outcome), NOON);
            assert_eq!(told.as_ref().map(|receipt| receipt.news.clone()), news, "{channel} {code} {detail}");
            assert_eq!(
                told.is_some_and(|receipt| receipt.is_on_the_list()),
                class == AnswerClass::NotAllowed && news.is_some()
            );
        }
        for outcome in [Outcome::Sent, Outcome::Waiting, Outcome::AlreadyDone(Status::Sent)] {
            assert_eq!(Receipt::of_refusal(&report(channel, class, code, detail, outcome), NOON), None);
        }
    }
    let refused = report(Channel::Email, address, "BadRequestException", "Illegal address", Outcome::Refused);
    assert!(Receipt::of_refusal(&Report { is_test: true, ..refused }, NOON).is_none(), "a test is about nobody");
}

#[test]
fn only_channels_whose_providers_name_no_delivery_are_in_the_index() {
    for channel in Channel::ALL {
        let found = record(channel, Status::Sent).found_by_provider_id();
        let expected = matches!(channel, Channel::Email | Channel::Sms | Channel::Viber);
        assert_eq!(found, expected.then(|| format!("{channel}#0100019a-7b1c")));
    }
}

#[test]
fn an_event_tells_no_address() {
    let record = DeliveryRecord { user: UserKey::known("42"), ..record(Channel::Email, Status::Sent) };
    let told = receipt(DEAD).at_address(Some("ann@shop.example")).tells(&record, EventName::EmailBounced, NOON);
    assert!(!serde_json::to_string(&told).unwrap().contains("ann@"));
}
