#include "s3/secrets.h"

#include <string.h>

#include "s3/uri.h"

void s3_secrets_init(struct s3_secrets *secrets,
		     const struct s3_credentials *credentials, const char *url)
{
	static const char mark[] = "&X-Amz-Signature=";
	const char *signature = strstr(url, mark);

	*secrets = (struct s3_secrets){ .encoded = BUF_INIT };
	if (!credentials->access_key) {
		return;
	}
	secrets->texts[0] = credentials->secret_key;
	secrets->texts[1] = credentials->session_token;
	secrets->texts[2] = signature ? signature + strlen(mark) : NULL;
	if (credentials->session_token) {
		(void)s3_encode(credentials->session_token, false, &secrets->encoded);
		secrets->texts[3] = buf_text(&secrets->encoded);
	}
}

void s3_secrets_fini(struct s3_secrets *secrets)
{
	buf_wipe(&secrets->encoded);
}
