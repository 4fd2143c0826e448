use super::*;

#[test]
fn bytes_are_written_with_the_largest_unit_that_fits() {
    for (bytes, written) in [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        ((1 << 20) + 1, "1.0 MiB"),
    ] {
        assert_eq!(in_units(bytes), written);
    }
}
