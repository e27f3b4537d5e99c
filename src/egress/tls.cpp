#include "egress/tls.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace joey::egress {
namespace {

constexpr std::array<unsigned char, 9> protocol{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr long day = 86'400;  // seconds
constexpr long authority_days = 3'650;
constexpr long host_days = 7;

// Of the calling thread, whose queue of errors is empty afterwards: it is not the proxy's alone.
std::string take_error() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "the connection was cut off" : reason;
}

tl::unexpected<Error> tls_failure(std::string_view what) {
  return failure(ErrorCode::internal, fmt::format("TLS: {}: {}", what, take_error()));
}

bool add_extension(x509_st* certificate, x509_st* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// By the library's own types, so that no character of a name means anything.
bool add_host(x509_st* certificate, const HostPort& host) {
  std::string bytes = host.name;
  if (host.address) {
    bytes.assign(reinterpret_cast<const char*>(host.address->bytes.data()), host.address->bytes.size());
    if (host.address->is_v4()) bytes.erase(0, 12);
  }
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(GENERAL_NAMES_new(), GENERAL_NAMES_free);
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text = ASN1_STRING_type_new(host.address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (!names || name == nullptr || text == nullptr || ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_STRING_free(text);
    return false;
  }
  GENERAL_NAME_set0_value(name, host.address ? GEN_IPADD : GEN_DNS, text);
  if (sk_GENERAL_NAME_push(names.get(), name) == 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool set_serial(x509_st* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 1);  // positive, and none has a zero in front
  BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool trust(ssl_ctx_st* context, std::string_view certificates) {
  BIO* in = BIO_new_mem_buf(certificates.data(), static_cast<int>(certificates.size()));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  std::size_t count = 0;
  while (X509* certificate = in == nullptr ? nullptr : PEM_read_bio_X509(in, nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(store, certificate) == 1 ? 1U : 0U;
    X509_free(certificate);
  }
  BIO_free(in);
  ERR_clear_error();  // of the end of the text
  return count > 0;
}

int choose_protocol(ssl_st*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned int offered_size,
                    void*) {
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, protocol.data(), protocol.size(), offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

OpenSslOwned<ssl_ctx_st> make_context(const SSL_METHOD* method) {
  OpenSslOwned<ssl_ctx_st> context(SSL_CTX_new(method));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) return nullptr;
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  // What is pending only grows at its end, but it may move.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

void OpenSslDelete::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void OpenSslDelete::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void OpenSslDelete::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void OpenSslDelete::operator()(x509_st* certificate) const { X509_free(certificate); }

// ---------------------------------------------------------------------------------------------------------------------
// The socket beneath: the library's own would raise SIGPIPE in a host that does not expect it.

struct TlsStream::Wire {
  Socket& socket;
  std::string early;
  bool ended{false};

  static Wire& of(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* buffer, int size) {
    BIO_clear_retry_flags(bio);
    Wire& wire = of(bio);
    if (!wire.early.empty()) {
      const std::size_t taken = wire.early.copy(buffer, static_cast<std::size_t>(size));
      wire.early.erase(0, taken);
      return static_cast<int>(taken);
    }
    const Socket::Transfer got = wire.socket.read(buffer, static_cast<std::size_t>(size));
    if (got.end == Socket::Transfer::End::none) return static_cast<int>(got.size);
    if (got.end == Socket::Transfer::End::would_block) BIO_set_retry_read(bio);
    wire.ended = got.end == Socket::Transfer::End::ended;
    return wire.ended ? 0 : -1;
  }
  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const Socket::Transfer put = of(bio).socket.write({bytes, static_cast<std::size_t>(size)});
    if (put.end == Socket::Transfer::End::none) return static_cast<int>(put.size);
    if (put.end == Socket::Transfer::End::would_block) BIO_set_retry_write(bio);
    return -1;
  }
  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return of(bio).ended ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static BIO_METHOD* method() {
    static const std::unique_ptr<BIO_METHOD, void (*)(BIO_METHOD*)> made(
        [] {
          BIO_METHOD* table = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "joey socket");
          if (table == nullptr) return table;
          BIO_meth_set_read(table, read);
          BIO_meth_set_write(table, write);
          BIO_meth_set_ctrl(table, control);
          BIO_meth_set_create(table, create);
          return table;
        }(),
        BIO_meth_free);
    return made.get();
  }
};

TlsStream::TlsStream(OpenSslOwned<ssl_st> ssl, std::unique_ptr<Wire> wire) : wire_(std::move(wire)), ssl_(std::move(ssl)) {}
TlsStream::~TlsStream() = default;

void TlsStream::note_wait(int error) {
  waits_to_read_ = error == SSL_ERROR_WANT_READ;
  waits_to_write_ = error == SSL_ERROR_WANT_WRITE;
}

Result<bool> TlsStream::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), result);
  note_wait(error);
  if (result == 1) return true;
  if (waits_to_read_ || waits_to_write_) return false;
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified == X509_V_OK || SSL_is_server(ssl_.get()) == 1) return failure(ErrorCode::io, take_error());
  ERR_clear_error();
  return failure(ErrorCode::denied, fmt::format("its certificate is not accepted: {}", X509_verify_cert_error_string(verified)));
}

Socket::Transfer TlsStream::transfer(int result, std::size_t size) {
  const int error = SSL_get_error(ssl_.get(), result);
  note_wait(error);
  if (result == 1) return {Socket::Transfer::End::none, size, 0};
  if (waits_to_read_ || waits_to_write_) return {Socket::Transfer::End::would_block, 0, 0};
  ERR_clear_error();
  if (error == SSL_ERROR_ZERO_RETURN) return {Socket::Transfer::End::ended, 0, 0};
  return {Socket::Transfer::End::failed, 0, wire_->ended ? ECONNRESET : EPROTO};
}

Socket::Transfer TlsStream::read(char* buffer, std::size_t size) {
  ERR_clear_error();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), buffer, size, &got);
  return transfer(result, got);
}

Socket::Transfer TlsStream::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t put = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
  return transfer(result, put);
}

bool TlsStream::end_writing() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  note_wait(result < 0 ? SSL_get_error(ssl_.get(), result) : SSL_ERROR_NONE);
  ERR_clear_error();
  return !waits_to_write_;
}

// ---------------------------------------------------------------------------------------------------------------------
// Both sides

Tls::~Tls() = default;

Result<std::shared_ptr<const Tls>> Tls::make(std::string_view trusted) {
  ERR_clear_error();
  const std::shared_ptr<Tls> tls(new Tls);
  tls->to_servers_ = make_context(TLS_client_method());
  tls->to_commands_ = make_context(TLS_server_method());
  if (!tls->to_servers_ || !tls->to_commands_) return tls_failure("no context");
  if (!trust(tls->to_servers_.get(), trusted)) {
    return failure(ErrorCode::invalid_argument, "TLS: there is no certificate to trust among those given");
  }
  SSL_CTX_set_verify(tls->to_servers_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_select_cb(tls->to_commands_.get(), choose_protocol, nullptr);
  tls->authority_key_.reset(EVP_EC_gen("P-256"));
  tls->host_key_.reset(EVP_EC_gen("P-256"));
  if (!tls->authority_key_ || !tls->host_key_) return tls_failure("no key");
  auto authority = tls->sign(nullptr);
  if (!authority) return tl::unexpected(std::move(authority.error()));
  tls->authority_ = *std::move(authority);
  const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
  char* text = nullptr;
  if (!out || PEM_write_bio_X509(out.get(), tls->authority_.get()) != 1) return tls_failure("no certificate");
  const long size = BIO_get_mem_data(out.get(), &text);
  tls->authority_pem_.assign(text, static_cast<std::size_t>(size));
  return tls;
}

// The certificate of a host, or of the authority.
Result<OpenSslOwned<x509_st>> Tls::sign(const HostPort* host) const {
  OpenSslOwned<x509_st> certificate(X509_new());
  x509_st* const made = certificate.get();
  x509_st* const issuer = host == nullptr ? made : authority_.get();
  constexpr int version_3 = 2;
  const auto* name = reinterpret_cast<const unsigned char*>(host == nullptr ? "joey egress authority" : "joey egress");
  const bool ok =
      certificate && X509_set_version(made, version_3) == 1 && set_serial(made) && X509_gmtime_adj(X509_getm_notBefore(made), -day) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(made), day * (host == nullptr ? authority_days : host_days)) != nullptr &&
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
      X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(made, host == nullptr ? authority_key_.get() : host_key_.get()) == 1 &&
      add_extension(made, issuer, NID_basic_constraints, host == nullptr ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
      add_extension(made, issuer, NID_key_usage, host == nullptr ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
      add_extension(made, issuer, NID_subject_key_identifier, "hash") &&
      (host == nullptr || (add_extension(made, issuer, NID_authority_key_identifier, "keyid:always") &&
                           add_extension(made, issuer, NID_ext_key_usage, "serverAuth") && add_host(made, *host))) &&
      X509_sign(made, authority_key_.get(), EVP_sha256()) > 0;
  if (!ok) return tls_failure("no certificate");
  return certificate;
}

Result<std::unique_ptr<TlsStream>> Tls::connect(Socket& socket, const HostPort& host) const {
  ERR_clear_error();
  OpenSslOwned<ssl_st> ssl(SSL_new(to_servers_.get()));
  auto wire = std::make_unique<TlsStream::Wire>(TlsStream::Wire{socket, {}});
  BIO* bio = TlsStream::Wire::method() == nullptr ? nullptr : BIO_new(TlsStream::Wire::method());
  if (!ssl || bio == nullptr) return tls_failure("no connection");
  BIO_set_data(bio, wire.get());
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_connect_state(ssl.get());
  SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool ok = SSL_set_alpn_protos(ssl.get(), protocol.data(), protocol.size()) == 0;  // here 0 is success
  if (host.address) {
    const std::size_t skipped = host.address->is_v4() ? 12 : 0;
    ok = ok && X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl.get()), host.address->bytes.data() + skipped, 16 - skipped) == 1;
  } else {
    ok = ok && SSL_set1_host(ssl.get(), host.name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl.get(), host.name.c_str()) == 1;
  }
  if (!ok) return tls_failure("no connection");
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(ssl), std::move(wire)));
}

Result<std::unique_ptr<TlsStream>> Tls::accept(Socket& socket, const HostPort& host, std::string early) const {
  ERR_clear_error();
  OpenSslOwned<ssl_st> ssl(SSL_new(to_commands_.get()));
  auto wire = std::make_unique<TlsStream::Wire>(TlsStream::Wire{socket, std::move(early)});
  auto certificate = sign(&host);
  if (!certificate) return tl::unexpected(std::move(certificate.error()));
  BIO* bio = TlsStream::Wire::method() == nullptr ? nullptr : BIO_new(TlsStream::Wire::method());
  if (!ssl || bio == nullptr) return tls_failure("no connection");
  BIO_set_data(bio, wire.get());
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_accept_state(ssl.get());
  if (SSL_use_certificate(ssl.get(), certificate->get()) != 1 || SSL_use_PrivateKey(ssl.get(), host_key_.get()) != 1) {
    return tls_failure("no connection");
  }
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(ssl), std::move(wire)));
}

}  // namespace joey::egress
