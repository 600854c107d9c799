//! The channel that a user answers to most, in a playbook: what is read of the order of channels.

use kairos_engine::playbook::{Channel, ChannelOrder, Step};
use kairos_playbook::compile;

use super::problems::{MESSAGE, PLAY};
use super::with;

#[test]
fn channels_are_tried_as_listed_or_by_what_the_user_answers_to() {
    use Channel::{Email, Sms};
    for (written, order, channels) in [
        ("[sms, email]", ChannelOrder::Listed, vec![Sms, Email]),
        ("email", ChannelOrder::Listed, vec![Email]),
        ("{most_engaged: [sms, email]}", ChannelOrder::MostEngaged, vec![Sms, Email]),
        // All that the message is written for, of those that are set up.
        ("most_engaged", ChannelOrder::MostEngaged, vec![Email, Sms]),
    ] {
        let mut files = with(PLAY, "channels: [email, sms]", &format!("channels: {written}"));
        let telegram = files[MESSAGE].replace("    sms:\n", "    telegram: {text: Hi}\n    sms:\n");
        files.insert(MESSAGE.into(), telegram);
        let playbook = compile(&files).unwrap().playbook;
        let expected = Step::Send { message: "hi".into(), channels, order };
        assert_eq!(playbook.plays[0].steps, [expected]);
        assert_eq!(playbook.asks_for_engagement(), order == ChannelOrder::MostEngaged);
    }
}
