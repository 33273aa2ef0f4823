/* test_auth.c - goal: only who has the key gets in, once, in time, and with the very request that
 * was signed; hash and MAC are the standard ones.
 * Method: known answers (FIPS 180-2, RFC 4231); a signed request with every byte changed.
 */
#include "control/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define NOW 1800000000

static const struct gm_key key = {.present = true, .bytes = "0123456789abcdef0123456789abcde"};
static const struct gm_key other = {.present = true, .bytes = "0123456789abcdef0123456789abcdf"};

static void hash_and_mac_are_the_standard_ones(void **state)
{
    (void)state;
    uint8_t bytes[32], rfc_key[20];
    char text[65];
    gm_auth_hash("abc", 3, bytes);
    gm_hex_format(bytes, sizeof bytes, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    gm_auth_hash(NULL, 0, bytes);
    gm_hex_format(bytes, sizeof bytes, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    memset(rfc_key, 0x0b, sizeof rfc_key);
    gm_auth_mac(rfc_key, sizeof rfc_key, "Hi There", 8, bytes);
    gm_hex_format(bytes, sizeof bytes, text);
    assert_string_equal(text, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

static enum gm_auth_verdict check(const struct gm_key *with, const char *header,
                                  const char *method, const char *target, uint64_t now_s,
                                  struct gm_nonces *nonces)
{
    struct gm_auth auth;
    return gm_auth_check(with, header, method, target, now_s, nonces, &auth);
}

static void a_signed_request_is_good_once(void **state)
{
    (void)state;
    char header[GM_AUTH_BYTES_MAX];
    uint8_t hash[GM_HASH_BYTES];
    struct gm_auth auth, seen;
    struct gm_nonces *nonces = gm_nonces_create(2 * GM_AUTH_WINDOW_S);
    gm_auth_sign(&key, "POST", "/v1/jobs", "body", 4, NOW, &auth, header);
    assert_int_equal(check(&other, header, "POST", "/v1/jobs", NOW, nonces), GM_AUTH_WRONG);
    assert_int_equal(check(&key, header, "PUT", "/v1/jobs", NOW, nonces), GM_AUTH_WRONG);
    assert_int_equal(check(&key, header, "POST", "/v1/job", NOW, nonces), GM_AUTH_WRONG);
    assert_int_equal(check(&key, header, "POST", "/v1/jobs", NOW + GM_AUTH_WINDOW_S + 1, nonces),
                     GM_AUTH_STALE);
    assert_int_equal(check(&key, header, "POST", "/v1/jobs", NOW - GM_AUTH_WINDOW_S - 1, nonces),
                     GM_AUTH_STALE);
    assert_int_equal(
        gm_auth_check(&key, header, "POST", "/v1/jobs", NOW + GM_AUTH_WINDOW_S, nonces, &seen),
        GM_AUTH_GOOD);
    gm_auth_hash("body", 4, hash);
    assert_memory_equal(seen.body, hash, sizeof hash);
    assert_memory_equal(seen.nonce, auth.nonce, sizeof seen.nonce);
    assert_int_equal(check(&key, header, "POST", "/v1/jobs", NOW, nonces), GM_AUTH_REPLAY);
    gm_nonces_destroy(nonces);
}

static void every_changed_character_is_refused(void **state)
{
    (void)state;
    char header[GM_AUTH_BYTES_MAX];
    struct gm_auth auth;
    struct gm_nonces *nonces = gm_nonces_create(2 * GM_AUTH_WINDOW_S);
    gm_auth_sign(&key, "GET", "/v1/agents", NULL, 0, NOW, &auth, header);
    const size_t length = strlen(header);
    for (size_t i = 0; i < length; i++) {
        char changed[GM_AUTH_BYTES_MAX];
        memcpy(changed, header, sizeof changed);
        changed[i] = changed[i] == '1' ? '2' : '1';
        const enum gm_auth_verdict verdict =
            check(&key, changed, "GET", "/v1/agents", NOW, nonces);
        assert_true(verdict == GM_AUTH_MISSING || verdict == GM_AUTH_WRONG);
        changed[i] = '\0';
        assert_int_not_equal(check(&key, changed, "GET", "/v1/agents", NOW, nonces), GM_AUTH_GOOD);
    }
    snprintf(header + length, sizeof header - length, "0");
    assert_int_equal(check(&key, header, "GET", "/v1/agents", NOW, nonces), GM_AUTH_MISSING);
    assert_int_equal(check(&key, NULL, "GET", "/v1/agents", NOW, nonces), GM_AUTH_MISSING);
    assert_int_equal(check(&key, "Basic dTpw", "GET", "/v1/agents", NOW, nonces),
                     GM_AUTH_MISSING);
    gm_nonces_destroy(nonces);
}

static void an_answer_is_to_one_request(void **state)
{
    (void)state;
    char header[GM_AUTH_BYTES_MAX], proof[65], different[65];
    struct gm_auth auth, later;
    gm_auth_sign(&key, "GET", "/", NULL, 0, NOW, &auth, header);
    gm_auth_sign(&key, "GET", "/", NULL, 0, NOW, &later, header);
    gm_auth_prove(&key, &auth, 200, "yes", 3, proof);
    gm_auth_prove(&key, &auth, 200, "yes", 3, different);
    assert_string_equal(proof, different);
    gm_auth_prove(&key, &later, 200, "yes", 3, different);
    assert_string_not_equal(proof, different);
    gm_auth_prove(&key, &auth, 201, "yes", 3, different);
    assert_string_not_equal(proof, different);
    gm_auth_prove(&key, &auth, 200, "no!", 3, different);
    assert_string_not_equal(proof, different);
    gm_auth_prove(&other, &auth, 200, "yes", 3, different);
    assert_string_not_equal(proof, different);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_and_mac_are_the_standard_ones),
        cmocka_unit_test(a_signed_request_is_good_once),
        cmocka_unit_test(every_changed_character_is_refused),
        cmocka_unit_test(an_answer_is_to_one_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
