/* The folder is judged by OpenSSL's own verification, as the listener does it. */
#include "unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/pki.h"

#define CODE "91420100MA4KXXXX0X"
#define DAY_US (INT64_C(86400) * USEC_PER_SEC)

static char dir[64];

static void make_dir(void)
{
    strcpy(dir, "/tmp/nhjc-pki-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    bool made = false;
    struct result r = pki_init(dir, "测试 CA", false, 30, 7, &made);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert(made);
}

static void remove_dir(void)
{
    char *command = mem_printf("rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    mem_free(command);
}

static int64_t now_us(void)
{
    return (int64_t)time(NULL) * USEC_PER_SEC;
}

/* For two days around now. */
static struct pki_issued issue_as(struct pki_request q)
{
    q.not_before = now_us() - DAY_US;
    q.not_after = now_us() + DAY_US;
    q.out_dir = dir;
    struct pki_issued issued;
    struct result r = pki_issue(dir, &q, &issued);
    ck_assert_msg(result_ok(r), "%s", r.text);
    return issued;
}

static struct pki_issued issue(enum pki_kind kind, const char *code, const char *name)
{
    return issue_as((struct pki_request){.kind = kind, .code = code, .name = name});
}

static char *path_of(const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static X509 *read_cert(const char *path)
{
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ck_assert_ptr_nonnull(cert);
    return cert;
}

static X509_CRL *read_crl(void)
{
    char *path = path_of("crl.pem");
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    X509_CRL *crl = PEM_read_X509_CRL(f, NULL, NULL, NULL);
    fclose(f);
    mem_free(path);
    ck_assert_ptr_nonnull(crl);
    return crl;
}

/* X509_V_OK, or the reason why a listener with this CA and CRL refuses the certificate. */
static int verify(const char *cert_path, int purpose)
{
    char *ca_path = path_of("ca.pem");
    X509 *cert = read_cert(cert_path), *ca = read_cert(ca_path);
    X509_CRL *crl = read_crl();
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_add_crl(store, crl);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_init(ctx, store, cert, NULL);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    int code = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_CRL_free(crl);
    X509_free(ca);
    X509_free(cert);
    mem_free(ca_path);
    return code;
}

static void subject_holds(const char *cert_path, int nid, const char *expected)
{
    X509 *cert = read_cert(cert_path);
    X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (!expected) {
        ck_assert_int_eq(at, -1);
    } else {
        unsigned char *text = NULL;
        ck_assert_int_ge(at, 0);
        ck_assert_int_eq(X509_NAME_get_index_by_NID(name, nid, at), -1);
        ck_assert_int_ge(ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))), 0);
        ck_assert_str_eq((char *)text, expected);
        OPENSSL_free(text);
    }
    X509_free(cert);
}

START_TEST(an_enterprise_certificate_verifies_and_names_it)
{
    make_dir();
    struct pki_issued issued = issue(PKI_ENTERPRISE, CODE, "第一钢铁厂");
    ck_assert_int_eq(verify(issued.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert_int_ne(verify(issued.cert_path, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    subject_holds(issued.cert_path, NID_userId, CODE);
    subject_holds(issued.cert_path, NID_organizationName, "第一钢铁厂");
    subject_holds(issued.cert_path, NID_commonName, "第一钢铁厂");
    subject_holds(issued.cert_path, NID_countryName, "CN");
    remove_dir();
}
END_TEST

START_TEST(a_name_too_long_for_a_certificate_gives_way_to_the_code)
{
    make_dir();
    char name[400] = "";
    for (size_t i = 0; i < 65; i++) {
        memcpy(name + 3 * i, "钢", 4);
    }
    struct pki_issued issued = issue(PKI_ENTERPRISE, CODE, name);
    subject_holds(issued.cert_path, NID_commonName, CODE);
    name[192] = '\0'; /* of 64 characters */
    issued = issue(PKI_ENTERPRISE, CODE, name);
    subject_holds(issued.cert_path, NID_commonName, name);
    remove_dir();
}
END_TEST

START_TEST(files_are_named_by_the_code_and_the_key_is_private)
{
    make_dir();
    struct pki_issued issued = issue(PKI_PLATFORM, "420000", NULL);
    char *cert = path_of("420000.pem"), *key = path_of("420000.key"), *ca_key = path_of("ca.key");
    ck_assert_str_eq(issued.cert_path, cert);
    ck_assert_str_eq(issued.key_path, key);
    struct stat st;
    ck_assert_int_eq(stat(key, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(stat(ca_key, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    FILE *f = fopen(key, "r");
    EVP_PKEY *private = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    X509 *leaf = read_cert(cert);
    ck_assert_int_eq(X509_check_private_key(leaf, private), 1);
    ck_assert_int_eq(EVP_PKEY_get_base_id(private), EVP_PKEY_EC);
    EVP_PKEY_free(private);
    X509_free(leaf);
    mem_free(cert);
    mem_free(key);
    mem_free(ca_key);
    remove_dir();
}
END_TEST

START_TEST(the_leaf_is_followed_by_its_issuer)
{
    make_dir();
    struct pki_issued issued = issue(PKI_ENTERPRISE, CODE, NULL);
    FILE *f = fopen(issued.cert_path, "r");
    X509 *leaf = PEM_read_X509(f, NULL, NULL, NULL), *next = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    ck_assert_ptr_nonnull(next);
    ck_assert_int_eq(X509_check_issued(next, leaf), X509_V_OK);
    X509_free(leaf);
    X509_free(next);
    remove_dir();
}
END_TEST

START_TEST(rsa_is_made_on_demand)
{
    make_dir();
    struct pki_request q = {.kind = PKI_ENTERPRISE,
                            .code = CODE,
                            .rsa = true,
                            .not_before = now_us() - DAY_US,
                            .not_after = now_us() + DAY_US,
                            .out_dir = dir};
    struct pki_issued issued;
    ck_assert(result_ok(pki_issue(dir, &q, &issued)));
    X509 *cert = read_cert(issued.cert_path);
    ck_assert_int_eq(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), EVP_PKEY_RSA);
    ck_assert_int_eq(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), 2048);
    X509_free(cert);
    ck_assert_int_eq(verify(issued.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    remove_dir();
}
END_TEST

START_TEST(a_server_certificate_carries_its_names_and_those_of_the_machine_itself)
{
    make_dir();
    struct pki_issued issued = issue(PKI_SERVER, "nhjc.example.cn,10.1.2.3,::1", NULL);
    char *expected = path_of("nhjc.example.cn.pem");
    ck_assert_str_eq(issued.cert_path, expected);
    mem_free(expected);
    ck_assert_int_eq(verify(issued.cert_path, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    X509 *cert = read_cert(issued.cert_path);
    ck_assert_int_eq(X509_check_host(cert, "nhjc.example.cn", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_host(cert, "other.example.cn", 0, 0, NULL), 0);
    ck_assert_int_eq(X509_check_ip_asc(cert, "10.1.2.3", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(cert, "::1", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(cert, "10.1.2.4", 0), 0);
    X509_free(cert);
    subject_holds(issued.cert_path, NID_userId, NULL);
    remove_dir();
}
END_TEST

START_TEST(names_that_could_leave_the_folder_or_forge_an_extension_are_refused)
{
    make_dir();
    static const char *const BAD[] = {"", "../x", "a/b", "-x", ".hidden", "a b", "a\nb", "x,", "DNS;y"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        for (int kind = PKI_PLATFORM; kind <= PKI_CLIENT; kind++) {
            if (kind == PKI_SERVER && strcmp(BAD[i], "x,") == 0) {
                continue; /* a list with one name */
            }
            struct pki_request q = {
                .kind = (enum pki_kind)kind, .code = BAD[i], .not_before = 0, .not_after = now_us(), .out_dir = dir};
            struct pki_issued issued;
            ck_assert_int_eq(pki_issue(dir, &q, &issued).kind, ERR_SENDER);
        }
    }
    remove_dir();
}
END_TEST

START_TEST(an_expired_certificate_is_made_and_refused_as_expired)
{
    make_dir();
    struct pki_request q = {.kind = PKI_ENTERPRISE,
                            .code = CODE,
                            .not_before = now_us() - 3 * DAY_US,
                            .not_after = now_us() - DAY_US,
                            .out_dir = dir};
    struct pki_issued issued;
    ck_assert(result_ok(pki_issue(dir, &q, &issued)));
    ck_assert_int_eq(verify(issued.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_HAS_EXPIRED);
    q.not_after = q.not_before;
    ck_assert_int_eq(pki_issue(dir, &q, &issued).kind, ERR_SENDER);
    remove_dir();
}
END_TEST

static void count_entry(const struct pki_entry *e, void *arg)
{
    int *count = arg;
    ck_assert_str_eq(e->identity, CODE);
    ck_assert_int_ne(e->revoked_at, 0);
    ++*count;
}

START_TEST(revoking_a_code_revokes_all_it_was_given_and_nobody_else)
{
    make_dir();
    int count = 0, told = 0;
    struct pki_issued first = issue(PKI_ENTERPRISE, CODE, NULL);
    char *kept = path_of("first.pem");
    ck_assert_int_eq(rename(first.cert_path, kept), 0);
    struct pki_issued second = issue(PKI_ENTERPRISE, CODE, NULL), other = issue(PKI_PLATFORM, "420000", NULL);
    struct result r = pki_revoke(dir, &(struct pki_choice){CODE, NULL, NULL}, 7, now_us(), &count, count_entry, &told);
    ck_assert_msg(result_ok(r), "%s", r.text);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(told, 2);
    ck_assert_int_eq(verify(kept, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_REVOKED);
    ck_assert_int_eq(verify(second.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_REVOKED);
    ck_assert_int_eq(verify(other.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert(
        result_ok(pki_revoke(dir, &(struct pki_choice){CODE, NULL, NULL}, 7, now_us(), &count, count_entry, &told)));
    ck_assert_int_eq(count, 0);
    struct pki_issued again = issue(PKI_ENTERPRISE, CODE, NULL);
    ck_assert_int_eq(verify(again.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    mem_free(kept);
    remove_dir();
}
END_TEST

START_TEST(one_serial_number_can_be_revoked_alone)
{
    make_dir();
    int count = 0, told = 0;
    struct pki_issued first = issue(PKI_ENTERPRISE, CODE, NULL), second = issue(PKI_ENTERPRISE, CODE, NULL);
    ck_assert(result_ok(
        pki_revoke(dir, &(struct pki_choice){CODE, NULL, first.serial}, 7, now_us(), &count, count_entry, &told)));
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(verify(second.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert_int_eq(
        pki_revoke(dir, &(struct pki_choice){CODE, NULL, "00"}, 7, now_us(), &count, count_entry, &told).kind,
        ERR_NOT_FOUND);
    ck_assert_int_eq(
        pki_revoke(dir, &(struct pki_choice){"420000", NULL, NULL}, 7, now_us(), &count, count_entry, &told).kind,
        ERR_NOT_FOUND);
    remove_dir();
}
END_TEST

START_TEST(a_later_crl_has_a_greater_number_and_a_new_term)
{
    make_dir();
    X509_CRL *before = read_crl();
    ck_assert(result_ok(pki_renew_crl(dir, 30)));
    X509_CRL *after = read_crl();
    ASN1_INTEGER *a = X509_CRL_get_ext_d2i(before, NID_crl_number, NULL, NULL);
    ASN1_INTEGER *b = X509_CRL_get_ext_d2i(after, NID_crl_number, NULL, NULL);
    ck_assert_int_gt(ASN1_INTEGER_cmp(b, a), 0);
    ck_assert_int_eq(ASN1_TIME_compare(X509_CRL_get0_nextUpdate(after), X509_CRL_get0_nextUpdate(before)), 1);
    ASN1_INTEGER_free(a);
    ASN1_INTEGER_free(b);
    X509_CRL_free(before);
    X509_CRL_free(after);
    remove_dir();
}
END_TEST

START_TEST(a_second_init_changes_nothing)
{
    make_dir();
    struct pki_issued issued = issue(PKI_ENTERPRISE, CODE, NULL);
    bool made = true;
    ck_assert(result_ok(pki_init(dir, "another", true, 1, 1, &made)));
    ck_assert(!made);
    ck_assert_int_eq(verify(issued.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    remove_dir();
}
END_TEST

START_TEST(without_a_ca_nothing_is_issued)
{
    strcpy(dir, "/tmp/nhjc-pki-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct pki_request q = {
        .kind = PKI_PLATFORM, .code = "420000", .not_before = 0, .not_after = now_us(), .out_dir = dir};
    struct pki_issued issued;
    ck_assert_int_eq(pki_issue(dir, &q, &issued).kind, ERR_NOT_FOUND);
    remove_dir();
}
END_TEST

START_TEST(a_damaged_index_stops_a_revocation_instead_of_losing_entries)
{
    make_dir();
    issue(PKI_ENTERPRISE, CODE, NULL);
    char *path = path_of("issued");
    FILE *f = fopen(path, "a");
    fputs("half a li\n", f);
    fclose(f);
    mem_free(path);
    int count = 0, told = 0;
    ck_assert_int_eq(
        pki_revoke(dir, &(struct pki_choice){CODE, NULL, NULL}, 7, now_us(), &count, count_entry, &told).kind,
        ERR_INTERNAL);
    ck_assert_int_eq(told, 0);
    remove_dir();
}
END_TEST

/* ---- certificates of single devices ---- */

static struct pki_issued issue_for(const char *device)
{
    return issue_as((struct pki_request){.kind = PKI_ENTERPRISE, .code = CODE, .device = device});
}

START_TEST(a_devices_certificate_names_it_beside_the_enterprise_and_has_files_of_its_own)
{
    make_dir();
    struct pki_issued plain = issue_for(NULL), seven = issue_for("SN_7.a-b");
    char *cert_path = path_of(CODE "-SN_7.a-b.pem"), *key_path = path_of(CODE "-SN_7.a-b.key"),
         *own = path_of(CODE ".pem");
    ck_assert_str_eq(seven.cert_path, cert_path);
    ck_assert_str_eq(seven.key_path, key_path);
    ck_assert_str_eq(plain.cert_path, own);
    ck_assert_str_eq(seven.device, "SN_7.a-b");
    ck_assert_str_eq(plain.device, "");
    ck_assert_int_eq(verify(cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    subject_holds(cert_path, NID_userId, CODE);
    X509 *cert = read_cert(cert_path), *bare = read_cert(own);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ck_assert_int_eq(sk_GENERAL_NAME_num(names), 1);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    ck_assert_int_eq(name->type, GEN_URI);
    ck_assert_str_eq((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                     "urn:nhjc:device:SN_7.a-b");
    ck_assert_int_eq(X509_get_ext_by_NID(bare, NID_subject_alt_name, -1), -1);
    GENERAL_NAMES_free(names);
    X509_free(cert);
    X509_free(bare);
    mem_free(cert_path);
    mem_free(key_path);
    mem_free(own);
    remove_dir();
}
END_TEST

START_TEST(a_serial_that_could_leave_the_folder_or_forge_a_name_is_refused)
{
    static const char *const BAD[] = {
        "",    "../x", "a/b",  "-x",
        ".x",  "a b",  "a\nb", "a,URI:urn:nhjc:device:b",
        "a:b", "a%20", "网关", "0123456789012345678901234567890123456789012345678901234567890123x"};
    make_dir();
    struct pki_issued issued;
    struct pki_request q = {.kind = PKI_ENTERPRISE, .code = CODE, .not_after = now_us(), .out_dir = dir};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        q.device = BAD[i];
        ck_assert_msg(pki_issue(dir, &q, &issued).kind == ERR_SENDER, "%s", BAD[i]);
    }
    static const enum pki_kind OTHERS[] = {PKI_PLATFORM, PKI_SERVER, PKI_CLIENT};
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
        q = (struct pki_request){
            .kind = OTHERS[i], .code = "420000", .device = "7", .not_after = now_us(), .out_dir = dir};
        ck_assert_int_eq(pki_issue(dir, &q, &issued).kind, ERR_SENDER);
    }
    remove_dir();
}
END_TEST

START_TEST(one_device_can_be_revoked_alone_and_an_index_from_before_devices_is_read)
{
    make_dir();
    int count = 0, told = 0;
    struct pki_issued plain = issue_for(NULL), seven = issue_for("7"), eight = issue_for("8");
    char *index = path_of("issued");
    FILE *f = fopen(index, "a");
    fputs("enterprise " CODE " 0a 4000000000 ab 0\n", f);
    fclose(f);
    ck_assert(
        result_ok(pki_revoke(dir, &(struct pki_choice){CODE, "7", NULL}, 7, now_us(), &count, count_entry, &told)));
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(verify(seven.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_REVOKED);
    ck_assert_int_eq(verify(eight.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert_int_eq(verify(plain.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert_int_eq(
        pki_revoke(dir, &(struct pki_choice){CODE, "9", NULL}, 7, now_us(), &count, count_entry, &told).kind,
        ERR_NOT_FOUND);
    ck_assert(
        result_ok(pki_revoke(dir, &(struct pki_choice){CODE, NULL, "0a"}, 7, now_us(), &count, count_entry, &told)));
    ck_assert_int_eq(count, 1);
    seven = issue_for("7"); /* renewed under the same name */
    ck_assert_int_eq(verify(seven.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    ck_assert(
        result_ok(pki_revoke(dir, &(struct pki_choice){CODE, NULL, NULL}, 7, now_us(), &count, count_entry, &told)));
    ck_assert_int_eq(count, 3); /* all that was left */
    ck_assert_int_eq(verify(eight.cert_path, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_CERT_REVOKED);
    mem_free(index);
    remove_dir();
}
END_TEST

UNIT_MAIN("pki", a_devices_certificate_names_it_beside_the_enterprise_and_has_files_of_its_own,
          a_serial_that_could_leave_the_folder_or_forge_a_name_is_refused,
          one_device_can_be_revoked_alone_and_an_index_from_before_devices_is_read,
          an_enterprise_certificate_verifies_and_names_it, a_name_too_long_for_a_certificate_gives_way_to_the_code,
          files_are_named_by_the_code_and_the_key_is_private, the_leaf_is_followed_by_its_issuer, rsa_is_made_on_demand,
          a_server_certificate_carries_its_names_and_those_of_the_machine_itself,
          names_that_could_leave_the_folder_or_forge_an_extension_are_refused,
          an_expired_certificate_is_made_and_refused_as_expired,
          revoking_a_code_revokes_all_it_was_given_and_nobody_else, one_serial_number_can_be_revoked_alone,
          a_later_crl_has_a_greater_number_and_a_new_term, a_second_init_changes_nothing,
          without_a_ca_nothing_is_issued, a_damaged_index_stops_a_revocation_instead_of_losing_entries)
