//! The scripts that run in Redis, and their answers.

use std::sync::LazyLock;

use redis::{Script, Value};
use signalhub_events::{EventId, Fingerprint, Position};

use super::streams::{PublishAnswer, StreamError};
use super::values::{epoch_of, text_of};

/// How many entries a repeated publish looks at.
pub(crate) const SEARCHED: usize = 10_000;

/// About how many entries the stream of names has.
pub(crate) const MOST_NAMES: usize = 4_096;

/// The function `is_wrong(epoch, offset)`: whether the description of a name has something that no script writes. Lua writes larger
/// numbers with an exponent.
const IS_WRONG: &str = r"local function is_wrong(epoch, offset)
  if epoch and (#epoch ~= 16 or string.find(epoch, '[^0-9a-f]')) then return true end
  return not offset or offset < 0 or offset > 99999999999998 or offset % 1 ~= 0
end
";

/// Writes an event, and gives it its offset.
///
/// The fields of an entry are `v` (format), `i` (id), `a` (attempt), `p` (epoch) and `d` (event), in this order: the script finds the id
/// and the attempt by their places.
///
/// The key of the idempotency is looked up also for a publish without one: a repeat of such a publish writes it, so that an attempt that
/// the server runs only then, because it had not answered, finds it and writes nothing.
///
/// The first epoch of a name is the id of the data of the server, so that a position from before its first event is one of that epoch at
/// every node. Every further epoch is a random one. A name begins one also when its offsets cannot be continued, because something else
/// is in its description, or has a higher id in its stream.
pub(crate) static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&[
        IS_WRONG,
        r"-- KEYS m, e, k, names, instance   ARGV entry, most, new_epoch, floor, key_ttl ('' = none), fingerprint, id, tail, epoch of floor, search ('' = no), attempt
local r = redis.call('get', KEYS[3])
if r then return {'duplicate', r} end
local meta = redis.call('hmget', KEYS[1], 'e', 's')
local e, s, floor, forked = meta[1], tonumber(meta[2] or '0'), tonumber(ARGV[4]), 0
if is_wrong(e, s) then s = -1 end
if ARGV[10] ~= '' then
  if not e or (ARGV[9] ~= '' and e ~= ARGV[9]) or s < floor or s - floor > tonumber(ARGV[10]) then return {'unknown'} end
  local found = redis.call('xrange', KEYS[2], '(' .. floor, '+', 'COUNT', ARGV[10])
  for _, entry in ipairs(found) do
    if entry[2][4] == ARGV[7] then return {'duplicate', e .. ':' .. string.match(entry[1], '^%d+') .. ':' .. ARGV[7] .. ':' .. ARGV[6]} end
  end
  if #found < s - floor then return {'unknown'} end
end
if e and e ~= ARGV[9] then floor = 0 end
if e and s >= floor and floor > 0 and ARGV[8] ~= '' then
  local at = redis.call('xrange', KEYS[2], floor .. '-0', floor .. '-0')
  if at[1] and at[1][2][4] .. '.' .. at[1][2][6] ~= ARGV[8] then forked = 1 end
end
local function begin()
  redis.call('del', KEYS[2]); s = 0
  redis.call('hset', KEYS[1], 'e', e, 'v', 1)
  redis.call('xadd', KEYS[4], 'MAXLEN', '~', 4096, '*', 'm', KEYS[1])
end
local function add()
  s = s + 1
  local id = redis.pcall('xadd', KEYS[2], 'MAXLEN', '~', ARGV[2], s .. '-0', 'v', '1', 'i', ARGV[7], 'a', ARGV[11], 'p', e, 'd', ARGV[1])
  return type(id) == 'table' and id.err
end
if not e or s < floor or forked == 1 then
  if ARGV[10] ~= '' then return {'unknown'} end
  if e or ARGV[9] ~= '' then forked = 1; e = ARGV[3] else e = redis.call('get', KEYS[5]) or ARGV[3] end
  begin()
end
local refused = add()
if refused and (string.find(refused, 'equal or smaller') or string.find(refused, 'exhausted')) then
  if ARGV[10] ~= '' then return {'unknown'} end
  forked = 1; e = ARGV[3]
  begin()
  refused = add()
end
if refused then return redis.error_reply(refused) end
redis.call('hset', KEYS[1], 's', s, 'w', ARGV[7] .. '.' .. ARGV[11])
if ARGV[5] ~= '' then redis.call('set', KEYS[3], e .. ':' .. s .. ':' .. ARGV[7] .. ':' .. ARGV[6], 'EX', ARGV[5]) end
return {forked == 1 and 'forked' or 'published', e, s}",
    ].concat())
});

/// Begins a new epoch of a name, unless it has another one than was seen.
pub(crate) static RESET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        &[
            IS_WRONG,
            r"-- KEYS m, e, names   ARGV epoch that was seen ('' = none), new_epoch
local meta = redis.call('hmget', KEYS[1], 'e', 's')
local e = meta[1]
if e and e ~= ARGV[1] and not is_wrong(e, tonumber(meta[2] or '0')) then return e end
redis.call('del', KEYS[2])
redis.call('hset', KEYS[1], 'e', ARGV[2], 'v', 1, 's', 0, 'w', '')
redis.call('xadd', KEYS[3], 'MAXLEN', '~', 4096, '*', 'm', KEYS[1])
return ARGV[2]",
        ]
        .concat(),
    )
});

/// Reads the answer of [`PUBLISH`].
pub(crate) fn publish_answer(answer: &Value) -> Result<PublishAnswer, StreamError> {
    let unexpected = || StreamError::Unexpected("the publish script".to_owned());
    let Value::Array(items) = answer else { return Err(unexpected()) };
    let text = |index: usize| items.get(index).and_then(text_of);
    match text(0).ok_or_else(unexpected)? {
        "unknown" => Ok(PublishAnswer::Unknown),
        "duplicate" => text(1).and_then(duplicate).ok_or_else(unexpected),
        outcome => {
            let epoch = text(1).and_then(epoch_of).ok_or_else(unexpected)?;
            let Some(Value::Int(offset)) = items.get(2) else { return Err(unexpected()) };
            let position = Position::new(epoch, offset.cast_unsigned());
            match outcome {
                "published" => Ok(PublishAnswer::Published { position }),
                "forked" => Ok(PublishAnswer::Forked { position }),
                _ => Err(unexpected()),
            }
        }
    }
}

/// Reads `<epoch>:<offset>:<id>:<fingerprint>`.
fn duplicate(text: &str) -> Option<PublishAnswer> {
    let mut parts = text.splitn(4, ':');
    let epoch = epoch_of(parts.next()?)?;
    let position = Position::new(epoch, parts.next()?.parse().ok()?);
    let id: EventId = parts.next()?.parse().ok()?;
    let fingerprint = Fingerprint::new(u64::from_str_radix(parts.next()?, 16).ok()?);
    Some(PublishAnswer::Duplicate { position, id, fingerprint })
}

#[cfg(test)]
mod tests {
    use signalhub_events::Epoch;

    use super::*;

    fn answer(items: &[&str]) -> Result<PublishAnswer, StreamError> {
        publish_answer(&Value::Array(items.iter().map(|item| Value::BulkString(item.as_bytes().to_vec())).collect()))
    }

    #[test]
    fn answers_that_a_script_does_not_give_are_errors() {
        for wrong in [&[][..], &["published"], &["published", "x", "1"], &["duplicate", "1:2:3"], &["other", "1", "2"]]
        {
            assert!(matches!(answer(wrong), Err(StreamError::Unexpected(_))), "{wrong:?}");
        }
        assert_eq!(answer(&["unknown"]), Ok(PublishAnswer::Unknown));
        let id = EventId::new(Epoch::new(7), 9);
        let expected = PublishAnswer::Duplicate {
            position: Position::new(Epoch::new(0xfb), 5),
            id,
            fingerprint: Fingerprint::new(0xc),
        };
        assert_eq!(answer(&["duplicate", &format!("00000000000000fb:5:{id}:000000000000000c")]), Ok(expected));
    }
}
