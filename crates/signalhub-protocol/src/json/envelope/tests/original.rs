//! What the original, asked record by record, refused and accepted.

/// Records that the original closes the connection for, with the detail it gives.
pub(super) const REFUSED: &[(&[u8], &str)] = &[
    (b"{oops", "InvalidDataException: Error reading JSON."),
    (
        b"null",
        "InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object.",
    ),
    (b"{}", "InvalidDataException: Missing required property 'type'."),
    (b"", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":1,\"headers\":{\"a\":1},\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
        "InvalidDataException: Expected header 'a' to be of type String.",
    ),
    (
        b"{\"type\":1,\"headers\":[],\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
        "InvalidDataException: Expected 'headers' to be of type StartObject.",
    ),
    (
        b"{\"type\":1,\"invocationId\":5,\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
        "InvalidDataException: Expected 'invocationId' to be of type String.",
    ),
    (
        b"{\"type\":\"1\"}",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (
        b"{\"type\":null}",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (
        b"{\"type\":1.5}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
    ),
    (
        b"{\"type\":1,\"target\":\"EchoString\"}",
        "InvalidDataException: Missing required property 'arguments'.",
    ),
    (
        b"{\"type\":1,\"target\":null,\"arguments\":[]}",
        "InvalidDataException: Expected 'target' to be of type String.",
    ),
    (
        b"{\"type\":1,\"target\":\"EchoString\",\"arguments\":{}}",
        "InvalidDataException: Expected 'arguments' to be of type Array.",
    ),
    (
        b"{\"type\":2,\"item\":1}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":2,\"invocationId\":\"1\"}",
        "InvalidDataException: Missing required property 'item'.",
    ),
    (
        b"{\"type\":5}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":3,\"invocationId\":\"x\",\"error\":\"e\",\"result\":1}",
        "InvalidDataException: The 'error' and 'result' properties are mutually exclusive.",
    ),
    (
        b"{\"type\":3,\"invocationId\":\"x\",\"error\":null}",
        "InvalidDataException: Expected 'error' to be of type String.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":\"yes\"}",
        "InvalidDataException: Expected 'allowReconnect' to be true or false.",
    ),
    (
        b"{\"type\":9,\"sequenceId\":\"1\"}",
        "InvalidDataException: Expected 'sequenceId' to be of type Number.",
    ),
    (b"{\"type\":6 /* c */}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,}", "InvalidDataException: Error reading JSON."),
    (b"{'type':6}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":4,\"invocationId\":\"1\",\"target\":\"Count\"}",
        "InvalidDataException: Missing required property 'arguments'.",
    ),
    (
        b"{\"type\":1,\"invocationId\":\"1\"}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":3,\"invocationId\":\"\"}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":5,\"invocationId\":\"\"}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":1,\"headers\":null,\"target\":\"NoResult\",\"arguments\":[]}",
        "InvalidDataException: Expected 'headers' to be of type StartObject.",
    ),
    (
        b"{\"type\":1,\"headers\":{\"a\":null},\"target\":\"NoResult\",\"arguments\":[]}",
        "InvalidDataException: Expected header 'a' to be of type String.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":null}",
        "InvalidDataException: Expected 'streamIds' to be of type Array.",
    ),
    (
        b"{\"type\":7,\"error\":null}",
        "InvalidDataException: Expected 'error' to be of type String.",
    ),
    (
        b"{\"type\":3,\"invocationId\":\"x\",\"error\":\"\",\"result\":1}",
        "InvalidDataException: The 'error' and 'result' properties are mutually exclusive.",
    ),
    (
        b"{\"type\":8,\"sequenceId\":1.5}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int64.",
    ),
    (
        b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"EchoDouble\",\"arguments\":[NaN]}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":1,\"target\":\"\"}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":4,\"target\":\"Count\"}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":4,\"target\":\"\",\"invocationId\":\"1\"}",
        "InvalidDataException: Missing required property 'arguments'.",
    ),
    (
        b"{\"type\":4,\"target\":\"\"}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":4}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":4,\"invocationId\":\"1\"}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":4,\"invocationId\":\"\"}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":1}",
        "InvalidDataException: Missing required property 'target'.",
    ),
    (
        b"{\"type\":2}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":2,\"invocationId\":\"\"}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":2,\"item\":1,\"invocationId\":\"\"}",
        "KeyNotFoundException: No stream with id '' could be found.",
    ),
    (
        b"{\"type\":3,\"error\":\"e\",\"result\":1}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":3,\"invocationId\":\"\",\"error\":\"e\",\"result\":1}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":3,\"result\":1}",
        "InvalidDataException: Missing required property 'invocationId'.",
    ),
    (
        b"{\"type\":9}",
        "InvalidDataException: Missing required property 'sequenceId'.",
    ),
    (
        b"{\"type\":8,\"sequenceId\":null}",
        "InvalidDataException: Missing required property 'sequenceId'.",
    ),
    (
        b"{\"type\":8,\"sequenceId\":9223372036854775808}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int64.",
    ),
    (b"{\"type\":\"x", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":nul}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":null",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (b"{\"type\":1.5x}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":1x}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":01}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":1e0}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
    ),
    (
        b"{\"type\":6.0}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
    ),
    (
        b"{\"type\":2147483648}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
    ),
    (
        b"{\"type\":[}",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (
        b"{\"type\":{}}",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (
        b"{\"type\":true}",
        "InvalidDataException: Expected 'type' to be of type Number.",
    ),
    (b"{\"type\":tru}", "InvalidDataException: Error reading JSON."),
    (b"nul", "InvalidDataException: Error reading JSON."),
    (b"nulx", "InvalidDataException: Error reading JSON."),
    (b"12x", "InvalidDataException: Error reading JSON."),
    (b"\"abc", "InvalidDataException: Error reading JSON."),
    (
        b"\"abc\"",
        "InvalidDataException: Unexpected JSON Token Type 'String'. Expected a JSON Object.",
    ),
    (
        b"12",
        "InvalidDataException: Unexpected JSON Token Type 'Number'. Expected a JSON Object.",
    ),
    (
        b"true",
        "InvalidDataException: Unexpected JSON Token Type 'True'. Expected a JSON Object.",
    ),
    (
        b"[42",
        "InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
    ),
    (
        b"[x",
        "InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
    ),
    (b"  ", "InvalidDataException: Error reading JSON."),
    (b"{", "InvalidDataException: Error reading JSON."),
    (b"{\"type\"", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6", "InvalidDataException: Error reading JSON."),
    (b"{,\"type\":6}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6 \"a\":1}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\" 6}", "InvalidDataException: Error reading JSON."),
    (b"{type:6}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":+1}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":.5}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":1.}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":1e}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":-}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":00}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":6,\"x\":\"\t\"}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":6,\"x\":\"\\x\"}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":6,\"x\":\"\\u12\"}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":6,\"x\":\"\\u12G4\"}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\ud800\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\ud800x\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\ud800\\u0041\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x41'.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\udc00\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0xDC00'.",
    ),
    (
        b"{\"type\":1,\"target\":\"a\\udc00\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0xDC00'.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\ud800\\ud800\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0xD800'.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\ud800\\n\",\"arguments\":[]}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
    (
        b"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}",
        "InvalidOperationException: Cannot transcode invalid UTF-8 JSON text to UTF-16 string.",
    ),
    (
        b"{\"type\":1,\"target\":\"\\n\xff\",\"arguments\":[]}",
        "InvalidOperationException: Cannot transcode invalid UTF-8 JSON text to UTF-16 string.",
    ),
    (
        b"{\"type\":1,\"target\":\"\xed\xa0\x80\",\"arguments\":[]}",
        "InvalidOperationException: Cannot transcode invalid UTF-8 JSON text to UTF-16 string.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":[1]}",
        "InvalidOperationException: Cannot get the value of a token type 'Number' as a string.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":[null]}",
        "InvalidDataException: Null value for 'streamIds' is not valid.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":[[]]}",
        "InvalidOperationException: Cannot get the value of a token type 'StartArray' as a string.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":[{}]}",
        "InvalidOperationException: Cannot get the value of a token type 'StartObject' as a string.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":[true]}",
        "InvalidOperationException: Cannot get the value of a token type 'True' as a string.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":{}}",
        "InvalidDataException: Expected 'streamIds' to be of type Array.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"streamIds\":\"x\"}",
        "InvalidDataException: Expected 'streamIds' to be of type Array.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":{\"a\":[}",
        "InvalidDataException: Expected header 'a' to be of type String.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":{\"a\":{}}}",
        "InvalidDataException: Expected header 'a' to be of type String.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":{\"a\":tru}}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":{\"\\ud800\":\"x\"}}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":{\"a\":\"\\ud800\"}}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
    (
        b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"headers\":\"x\"}",
        "InvalidDataException: Expected 'headers' to be of type StartObject.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":tru}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":1}",
        "InvalidDataException: Expected 'allowReconnect' to be true or false.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":[}",
        "InvalidDataException: Expected 'allowReconnect' to be true or false.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":\"x}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":7,\"allowReconnect\":[1,2,x]}",
        "InvalidDataException: Expected 'allowReconnect' to be true or false.",
    ),
    (
        b"{\"type\":7,\"error\":5}",
        "InvalidDataException: Expected 'error' to be of type String.",
    ),
    (
        b"{\"type\":6,\"error\":null}",
        "InvalidDataException: Expected 'error' to be of type String.",
    ),
    (
        b"{\"type\":6,\"invocationId\":null}",
        "InvalidDataException: Expected 'invocationId' to be of type String.",
    ),
    (
        b"{\"type\":6,\"target\":5}",
        "InvalidDataException: Expected 'target' to be of type String.",
    ),
    (
        b"{\"type\":6,\"arguments\":5}",
        "InvalidDataException: Expected 'arguments' to be of type Array.",
    ),
    (
        b"{\"type\":6,\"arguments\":{x}",
        "InvalidDataException: Expected 'arguments' to be of type Array.",
    ),
    (
        b"{\"type\":6,\"arguments\":tru}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":6,\"streamIds\":5}",
        "InvalidDataException: Expected 'streamIds' to be of type Array.",
    ),
    (
        b"{\"type\":6,\"headers\":5}",
        "InvalidDataException: Expected 'headers' to be of type StartObject.",
    ),
    (
        b"{\"type\":6,\"allowReconnect\":5}",
        "InvalidDataException: Expected 'allowReconnect' to be true or false.",
    ),
    (
        b"{\"type\":6,\"sequenceId\":\"5\"}",
        "InvalidDataException: Expected 'sequenceId' to be of type Number.",
    ),
    (
        b"{\"type\":6,\"sequenceId\":5.5}",
        "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int64.",
    ),
    (
        b"{\"type\":6,\"invocationId\":5x}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":3,\"error\":\"\",\"result\":null,\"invocationId\":\"x\"}",
        "InvalidDataException: The 'error' and 'result' properties are mutually exclusive.",
    ),
    (b"/**/{\"type\":6}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":NaN}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":6,\"x\":Infinity}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"TYPE\":6}",
        "InvalidDataException: Missing required property 'type'.",
    ),
    (b"\x0b{\"type\":6}", "InvalidDataException: Error reading JSON."),
    (b"\xc2\xa0{\"type\":6}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":[1,]}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":[,1]}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":[1 2]}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":6,\"x\":{\"a\":1,}}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":6,\"x\":{\"a\"}}",
        "InvalidDataException: Error reading JSON.",
    ),
    (b"{\"type\":6,\"x\":{1:2}}", "InvalidDataException: Error reading JSON."),
    (b"{\"type\":6,\"x\":[1}}", "InvalidDataException: Error reading JSON."),
    (
        b"{\"type\":6,\"x\":{\"a\":1]}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
    ),
    (
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
    ),
    (
        b"{\"type\":1,\"invocationId\":\"q\",\"target\":\"EchoInt\",\"arguments\":[\"a\",x]}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":1,\"invocationId\":\"q\",\"target\":\"EchoInt\",\"arguments\":[\"a\"}",
        "InvalidDataException: Error reading JSON.",
    ),
    (
        b"{\"type\":1,\"invocationId\":\"\\ud800\",\"target\":\"EchoInt\",\"arguments\":[\"a\"]}",
        "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
    ),
];

/// Records after which the original's connection lives on.
pub(super) const ACCEPTED: &[&[u8]] = &[
    b"{\"type\":1,\"target\":\"\",\"arguments\":[]}",
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"\",\"arguments\":[]}",
    b"{\"type\":8,\"sequenceId\":-9223372036854775808}",
    b"{\"type\":-0}",
    b"{\"type\":6}x",
    b"{\"type\":6,\"x\":1e+5}",
    b"{\"type\":6,\"x\":\"\\ud800\"}",
    b"{\"type\":6,\"x\\ud800\":1}",
    b"{\"type\":6,\"\xff\":1}",
    b"{\"type\":6,\"\\u0041\xff\":1}",
    b"{\"type\":6,\"x\":\"\xff\"}",
    b"{\"type\":8,\"sequenceId\":1,\"sequenceId\":2}",
    b"{\"type\":3,\"invocationId\":\"x\",\"result\":1,\"result\":2}",
    b"{\"type\":3,\"invocationId\":\"x\",\"error\":\"a\",\"error\":\"b\"}",
    b"{\"type\":1,\"target\":\"NoResult\",\"arguments\":[],\"arguments\":[1]}",
    b"{\"type\":6}/*",
    b"{\"type\":6,\"Type\":7}",
    b"{\"type\":6,\"x\":\"\x7f\"}",
    b"{\"type\":7,\"error\":\"a\",\"allowReconnect\":true}",
    b"{\"arguments\":[\"hi\"],\"type\":1,\"invocationId\":\"1\",\"target\":\"EchoString\"}",
    b"{\"type\":1,\"foo\":{\"a\":[1,{\"b\":null}]},\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b"{\"type\":1,\"headers\":{\"a\":\"b\"},\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b" {\x0a \"type\" : 1 ,\t\"invocationId\":\"1\", \"target\":\"EchoString\",\"arguments\":[ \"hi\" ] } ",
    b"{\"\\u0074ype\":1,\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]} trailing",
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"NoResult\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"EchoString\",\"arguments\":[\"\xc3\xa9\xf0\x9f\x98\x80\xe4\xb8\xad\xe6\x96\x87 <>&'\\\" \\u0000\\u2028 \\ud83d\\ude00\"]}",
    b"{\"type\":1,\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b"{\"type\":1,\"invocationId\":\"\",\"target\":\"EchoString\",\"arguments\":[\"hi\"]}",
    b"{\"type\":6}",
    b"{\"type\":6,\"x\":1}",
    b"{\"type\":3,\"invocationId\":\"77\"}",
    b"{\"type\":2,\"invocationId\":\"77\",\"item\":1}",
    b"{\"type\":8,\"sequenceId\":1}",
    b"{\"type\":8,\"sequenceId\":-5}",
    b"\x0d\x0a{\"type\":6}\x0d\x0a",
    b"{\"type\":3,\"invocationId\":\"77\",\"result\":{\"a\":[1]}}",
    b"{\"type\":4,\"target\":\"Count\",\"arguments\":[\"x\",0]}",
    b"{\"type\":1,\"target\":\"Count\",\"arguments\":[1,0]}",
    b"{\"type\":1,\"target\":\"Restricted\",\"arguments\":[]}",
    b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"EchoInt\",\"arguments\":[1.0]}",
];
