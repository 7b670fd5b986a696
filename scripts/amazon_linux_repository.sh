#!/bin/sh
# Make the package and the repodata in src/ringfence/app/amazon_linux again, the same bytes each time.
# Needs rpmbuild and createrepo_c (Debian: rpm, createrepo-c). Run it after a change of the spec, and commit what it made.
set -e
cd "$(dirname "$0")/../src/ringfence/app/amazon_linux"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1767225600
rpmbuild -bb --quiet --define "_topdir $work" --define "_buildhost ringfence" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
    --define "_binary_payload w9.gzdio" ringfence-hello.spec
rm -rf Packages repodata
mkdir Packages
cp "$work"/RPMS/noarch/*.rpm Packages/
touch -d "@$SOURCE_DATE_EPOCH" Packages/*.rpm
createrepo_c --quiet --no-database --simple-md-filenames --revision 1 --set-timestamp-to-revision .
