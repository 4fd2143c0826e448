//! Families 1 to 4: lengths, control frames, reserved bits, reserved opcodes.

use super::super::case::{Case, close, frame, ping, pong, text};
use super::ENDED_BEFORE_ECHO;

const HELLO: &str = "Hello, world!";

pub(super) fn cases() -> Vec<Case> {
    [lengths(), control_frames(), reserved_bits(), reserved_opcodes()].into_iter().flatten().collect()
}

fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (family, first, byte) in [("1.1", 0x81, b'*'), ("1.2", 0x82, 0xfe)] {
        for (index, length) in [0, 125, 126, 127, 128, 65_535, 65_536].into_iter().enumerate() {
            let payload = vec![byte; length];
            let case = Case::new(format!("{family}.{}", index + 1));
            cases.push(case.sends([frame(first, &payload)]).echoes(&payload));
        }
        let payload: Vec<u8> =
            (0..65_536_u32).map(|at| if byte == b'*' { b'a' + (at % 26) as u8 } else { at as u8 }).collect();
        for (index, length) in [997, 1].into_iter().enumerate() {
            let case = Case::new(format!("{family}.{}", index + 8));
            cases.push(case.sends_in(length, [frame(first, &payload)]).echoes(&payload));
        }
    }
    cases
}

fn control_frames() -> Vec<Case> {
    let bytes = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let ten = || (0..10).map(|index| format!("payload-{index}"));
    let ten_pings = || ten().flat_map(ping).collect();
    let pongs = |case| ten().fold(case, Case::pongs);
    vec![
        Case::new("2.1").sends([ping("")]).pongs(""),
        Case::new("2.2").sends([ping(HELLO)]).pongs(HELLO),
        Case::new("2.3").sends([ping(bytes)]).pongs(bytes),
        Case::new("2.4").sends([ping([0xfe; 125])]).pongs([0xfe; 125]),
        Case::new("2.5").sends([ping([0xfe; 126])]).closes(1002),
        Case::new("2.6").sends_in(1, [ping([0xfe; 125])]).pongs([0xfe; 125]),
        Case::new("2.7").sends([pong("")]),
        Case::new("2.8").sends([pong("unsolicited")]),
        Case::new("2.9").sends([pong("unsolicited"), ping("a ping")]).pongs("a ping"),
        pongs(Case::new("2.10").sends([ten_pings()])),
        pongs(Case::new("2.11").sends_in(1, [ten_pings()])),
    ]
}

fn reserved_bits() -> Vec<Case> {
    let hello = || text(HELLO);
    vec![
        Case::new("3.1").sends([frame(0x91, HELLO)]).closes(1002),
        Case::new("3.2")
            .sends([hello(), frame(0xa1, HELLO), ping("")])
            .echoes(HELLO)
            .closes(1002)
            .or_no_echo(ENDED_BEFORE_ECHO),
        Case::new("3.3").sends([hello()]).echoes(HELLO).waits().sends([frame(0xb1, HELLO), ping("")]).closes(1002),
        Case::new("3.4")
            .sends_in(1, [hello()])
            .echoes(HELLO)
            .waits()
            .sends_in(1, [frame(0xc1, HELLO), ping("")])
            .closes(1002),
        Case::new("3.5").sends([frame(0xd2, [0x00, 0xff])]).closes(1002),
        Case::new("3.6").sends([frame(0xe9, HELLO)]).closes(1002),
        Case::new("3.7").sends([frame(0xf8, "")]).closes(1002),
    ]
}

fn reserved_opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (family, first) in [("4.1", 0x83), ("4.2", 0x8b)] {
        let case = |number: u8| Case::new(format!("{family}.{number}"));
        let after_text = |number| case(number).sends([text(HELLO)]).echoes(HELLO).waits();
        cases.extend([
            case(1).sends([frame(first, "")]).closes(1002),
            case(2).sends([frame(first + 1, "reserved")]).closes(1002),
            after_text(3).sends([frame(first + 2, ""), ping("")]).closes(1002),
            after_text(4).sends([frame(first + 3, "reserved"), ping("")]).closes(1002),
            after_text(5).sends_in(1, [frame(first + 4, "reserved"), ping("")]).closes(1002),
            case(6)
                .sends([text(HELLO), frame(first, ""), close(1000, "")])
                .echoes(HELLO)
                .closes(1002)
                .or_no_echo(ENDED_BEFORE_ECHO),
        ]);
    }
    cases
}
