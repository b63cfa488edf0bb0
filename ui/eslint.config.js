// SPDX-License-Identifier: Apache-2.0
// Purpose: lint rules of the UI.
import vue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'src/api/schema.gen.ts'] },
  ...tseslint.configs.recommended,
  ...vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
  },
  {
    rules: {
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
      'no-eval': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'vue/no-v-html': 'error',
      'vue/no-static-inline-styles': 'error', // refused by the content security policy
      'vue/multi-word-component-names': 'off',
      'vue/require-default-prop': 'off',
      // Prettier decides the layout.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
    },
  },
  {
    // Tables of texts.
    files: ['src/i18n/**'],
    rules: { 'max-lines': 'off' },
  },
  {
    // Development tools and tests talk to a terminal and may be long lists.
    files: ['dev/**', 'e2e/**', 'tools/**', 'tests/**'],
    rules: { 'no-console': 'off', 'max-lines-per-function': 'off', 'max-lines': 'off' },
  },
)
