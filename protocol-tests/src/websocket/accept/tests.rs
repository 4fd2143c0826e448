use super::*;

#[test]
fn key_of_the_rfc_is_accepted() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn digests_are_those_of_sha_1() {
    fn check(message: &[u8], digest: &str) {
        assert_eq!(crate::names::to_hex(&sha1(message)), digest);
    }
    check(b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(&b"a".repeat(55), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    check(&b"a".repeat(56), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    check(&b"a".repeat(64), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}
