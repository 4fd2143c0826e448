//! The documented members of each message, in their order.

use serde_json::value::RawValue;
use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::object::Object;

/// A member of a message.
#[derive(Debug)]
pub(in crate::printfactory) struct Member {
    pub(in crate::printfactory) name: &'static str,
    form: Form,
    needed: Needed,
}

/// Whether a message has a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needed {
    Always,
    IfKnown,
}

/// What the value of a member may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A GUID in upper or lower case.
    Guid,
    Text,
    /// A whole number of 32 bits, as in the vendor's documents (`int`).
    Integer,
    /// A whole number from 0 to 100.
    Percentage,
    /// A date and a time in ISO 8601.
    Time,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of objects with these members.
    Objects(&'static [Member]),
}

use Form::{Guid, Integer, Objects, OneOf, Percentage, Text, Time};

const fn always(name: &'static str, form: Form) -> Member {
    Member { name, form, needed: Needed::Always }
}

const fn if_known(name: &'static str, form: Form) -> Member {
    Member { name, form, needed: Needed::IfKnown }
}

pub(super) const JOB: &[Member] = &[
    always("JobGUID", Guid),
    if_known("StatusRIP", OneOf(&["Ready"])),
    if_known("StatusPrint", OneOf(&[""])),
    if_known("Event", OneOf(&["Reprint", "ReRoute", "ReSubmit"])),
    if_known("EventDate", Time),
    if_known("Status", OneOf(&["Created", "ReRoute"])),
];

pub(super) const NEST: &[Member] = &[
    if_known("JobGUID", Guid),
    always("Status", OneOf(&["NestComplete", "NestCanceled", "NestDeleted"])),
    always("NestGUID", Guid),
    if_known("Event", OneOf(&["Creation"])),
    if_known("EventDate", Time),
];

pub(super) const AUTOMATION_JOB: &[Member] = &[always("JobGUID", Guid)];

pub(in crate::printfactory) const DEVICE: &[Member] = &[
    always("DeviceGUID", Guid),
    if_known(
        "Status",
        OneOf(&[
            "Error",
            "Idle",
            "Offline",
            "Aborting",
            "Printing",
            "Sleeping",
            "Calibrating",
            "Maintenance",
            "Pause",
            "NotUsed",
            "Hold",
        ]),
    ),
    if_known("Message", Text),
    if_known("Temperature", Integer),
    if_known("ConnectionState", OneOf(&["Unknown", "Online", "Offline", "Unstable"])),
    if_known("ConnectionMessage", Text),
    if_known(
        "RemainingInks",
        Objects(&[
            if_known("InkIndex", Integer),
            if_known("InkName", Text),
            if_known("Level", Integer),
            if_known("MaxLevel", Integer),
        ]),
    ),
    if_known(
        "QueueLength",
        Objects(&[always("Type", OneOf(&["Unknown", "Length", "Area", "Sheet"])), always("Value", Integer)]),
    ),
];

/// The body of `POST /api/v2/job/status`.
pub(in crate::printfactory) const JOB_STATUS: &[Member] = &[
    always("JobGUID", Guid),
    if_known(
        "StatusSpooler",
        OneOf(&[
            "Waiting",
            "Hold",
            "Warning",
            "Spooling",
            "Processing",
            "Canceling",
            "Ready",
            "Deleting",
            "NotSupported",
        ]),
    ),
    if_known("Progress", Percentage),
    if_known("ProgressLabel", Text),
];

/// Writes an object with these members, in their order. The error tells what was expected.
pub(super) fn write(members: &[Member], object: &Object<'_>) -> Result<String, String> {
    let mut out = String::new();
    write_object(members, object, &mut out)?;
    Ok(out)
}

fn write_object(members: &[Member], object: &Object<'_>, out: &mut String) -> Result<(), String> {
    for (index, (name, _)) in object.members().enumerate() {
        if !members.iter().any(|member| member.name == name) {
            let names: Vec<_> = members.iter().map(|member| member.name).collect();
            return Err(format!("\"{name}\" is not known: expected {}", names.join(", ")));
        }
        if object.members().take(index).any(|(earlier, _)| earlier == name) {
            return Err(format!("\"{name}\" is there twice"));
        }
    }
    out.push('{');
    let mut separator = "";
    for member in members {
        match object.get(member.name) {
            Some(value) => {
                out.push_str(&format!("{separator}\"{}\":", member.name));
                separator = ",";
                member.write(value, out)?;
            }
            None if member.needed == Needed::Always => {
                return Err(format!("\"{}\" is missing: expected {}", member.name, member.form.expected()));
            }
            None => {}
        }
    }
    out.push('}');
    Ok(())
}

impl Member {
    fn write(&self, value: &RawValue, out: &mut String) -> Result<(), String> {
        if let Objects(members) = self.form {
            let items: Vec<Object<'_>> = serde_json::from_str(value.get()).map_err(|_| self.wrong(value))?;
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_object(members, item, out).map_err(|error| format!("\"{}\"[{index}]: {error}", self.name))?;
            }
            out.push(']');
            return Ok(());
        }
        if !self.form.admits(value.get()) {
            return Err(self.wrong(value));
        }
        out.push_str(value.get());
        Ok(())
    }

    fn wrong(&self, value: &RawValue) -> String {
        let hint = if value.get() == "null" { "; leave it out if it is not known" } else { "" };
        format!("\"{}\": expected {}{hint}", self.name, self.form.expected())
    }
}

impl Form {
    /// Whether this JSON is such a value. Lists are checked item by item, while they are written.
    fn admits(self, json: &str) -> bool {
        let text = || serde_json::from_str::<String>(json).ok();
        let integer = || serde_json::from_str::<i32>(json).ok();
        match self {
            Guid => text().is_some_and(|text| is_guid(&text)),
            Text => text().is_some(),
            Integer => integer().is_some(),
            Percentage => integer().is_some_and(|number| (0..=100).contains(&number)),
            Time => text().is_some_and(|text| is_time(&text)),
            OneOf(texts) => text().is_some_and(|text| texts.contains(&text.as_str())),
            Objects(_) => false,
        }
    }

    /// What a value looks like, to stand after "expected".
    fn expected(self) -> String {
        match self {
            Guid => "a GUID such as \"8f1d80ab-06d5-43f8-a015-20347d9de22c\"".to_owned(),
            Text => "a text".to_owned(),
            Integer => "a whole number".to_owned(),
            Percentage => "a whole number from 0 to 100".to_owned(),
            Time => "a date and a time in ISO 8601 such as \"2024-05-31T08:30:00Z\"".to_owned(),
            OneOf([only]) => format!("\"{only}\""),
            OneOf(texts) => {
                let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Objects(_) => "a list of objects".to_owned(),
        }
    }
}

/// Tells whether a text is a GUID: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub(in crate::printfactory) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_time(text: &str) -> bool {
    OffsetDateTime::parse(text, &Iso8601::DEFAULT).is_ok() || PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).is_ok()
}
